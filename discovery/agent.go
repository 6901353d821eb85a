// Package discovery assembles the agent: it watches all member clusters, keeps one
// immutable view of their endpoints, publishes it to the gateway of its own cluster
// and writes what clients there need. It is the only importer of all stages of that
// path, and must not know the installer.
package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/advertised"
	"github.com/eastwest-mesh/eastwest/discovery/authority"
	"github.com/eastwest-mesh/eastwest/discovery/derived"
	"github.com/eastwest-mesh/eastwest/discovery/mcs"
	"github.com/eastwest-mesh/eastwest/discovery/merge"
	"github.com/eastwest-mesh/eastwest/discovery/meshid"
	"github.com/eastwest-mesh/eastwest/discovery/metrics"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/probe"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/resolve"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
	"github.com/eastwest-mesh/eastwest/discovery/snapshot"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// Names of the agent's objects, all in its own namespace.
const (
	gatewayName     = "eastwest-gateway"
	bootstrapSecret = gatewayName + "-bootstrap"
	leaseName       = "eastwest-agent"
	// agentAccount is the ServiceAccount of every agent.
	agentAccount = "eastwest-agent"
)

// Options are what an agent runs with.
type Options struct {
	Settings *settings.Settings
	// Config connects to the agent's own cluster.
	Config *rest.Config
	// Namespace and Pod are the agent's own.
	Namespace, Pod string
	// CAFolder holds the cluster's intermediate.
	CAFolder string
	Log      *slog.Logger
}

// Agent is the discovery agent of one cluster.
type Agent struct {
	Options
	own     model.MemberName
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	inbox   *watch.Inbox
	memory  *memory
	// families are those that Services of the own cluster have.
	families  []model.Family
	cluster   *derived.Cluster
	members   *members
	loop      *loop
	authority *authority.Authority
	gateway   *authority.Rotating
	serving   *authority.Rotating
	publisher *publish.Publisher
	prober    *probe.Prober
	// meshID is nil where links are not proved by a certificate of an istiod.
	meshID  *meshid.Keeper
	names   *resolve.Resolver
	metrics *metrics.Registry
	// imports writes the objects of multi-cluster Services; clusterset is the set that
	// the own cluster says it is in.
	imports    *mcs.Writer
	clusterset atomic.Pointer[string]
	// addresses keeps the advertised addresses of members beside Istio.
	addresses *advertised.Keeper
	// answers is nil where names are not answered.
	answers *answerer
	// keeper is nil where no snapshot is written.
	keeper *snapshot.Keeper
	// writes is true while this replica is the one that does. Whether its lease still
	// allows that is the tenure's to say.
	writes atomic.Bool
	tenure *tenure
	// elector keeps the lease: it must get through where the tenure lets nothing pass.
	elector kubernetes.Interface
}

// New puts an agent together. It contacts the own cluster once, to learn which
// one it is.
func New(ctx context.Context, o Options) (*Agent, error) {
	o.Config = unlimited(o.Config)
	term := &tenure{}
	writing := term.guard(o.Config)
	kube, err := kubernetes.NewForConfig(writing)
	if err != nil {
		return nil, fmt.Errorf("connect to the own cluster: %w", err)
	}
	system, err := kube.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the UID of the own cluster: %w", err)
	}
	a := &Agent{Options: o, own: model.MemberName(o.Settings.File.Member.Name), kube: kube, tenure: term, inbox: watch.NewInbox()}
	record := o.Settings.Record()
	record.UID = string(system.UID)
	record.Identity = a.identity("gateway")
	if a.dynamic, err = dynamic.NewForConfig(writing); err != nil {
		return nil, fmt.Errorf("connect to the own cluster: %w", err)
	}
	if a.elector, err = kubernetes.NewForConfig(o.Config); err != nil {
		return nil, fmt.Errorf("connect to the own cluster: %w", err)
	}
	a.families = a.readFamilies(ctx)
	remembered := a.load()
	said, known := unrefined(remembered.Shards)
	a.memory, a.names = newMemory(said, a.inbox), resolve.New(resolve.Options{Known: known})
	a.metrics = metrics.New(a.counts)
	a.cluster = derived.NewCluster(kube, derived.GatewayService{Namespace: o.Namespace, Name: gatewayName})
	a.members = newMembers(a, record)
	if err := a.openAuthority(); err != nil {
		return nil, err
	}
	a.prober = probe.New(a.probeOptions())
	a.addresses = &advertised.Keeper{Client: a.dynamic, Recorded: a.members.gateways, Log: o.Log}
	a.loop = &loop{
		own: a.own, identity: a.identity("gateway"), roots: a.roots, renewed: make(chan struct{}, 1), inbox: a.inbox, ports: newPorts(a.cluster), publisher: a.publisher, log: o.Log,
		deadline: o.Settings.SyncDeadline, expected: a.members.names, members: a.members.changed,
		remembers: a.memory.remembers, took: a.metrics.Took, book: a.names, links: a.prober,
		quotas:     quotas(o.Settings.File.Limits),
		precedence: precedence{own: a.own, incumbents: remembered.Incumbents},
		translation: translation{
			from: model.Vantage{
				Member: a.own, Network: model.NetworkID(record.Network), Region: record.Region,
			},
			trust: o.Settings.File.TrustDomain, budget: int(*o.Settings.File.Limits.Checks),
			prefer: o.Settings.Prefer, admit: admitted(o.Settings.File.Admit),
		},
	}
	a.answers = a.newAnswerer()
	a.imports = a.importWriter()
	if folder := o.Settings.File.Snapshot.Folder; folder != "" {
		a.keeper = &snapshot.Keeper{Folder: folder, Latest: a.remembered, Wake: a.loop.subscribe(), Log: o.Log}
	}
	return a, nil
}

// quotas are those that were set.
func quotas(limits v1alpha1.AgentLimits) merge.Quotas {
	bound := func(limit *int64) int {
		if limit == nil {
			return 0
		}
		return int(*limit)
	}
	return merge.Quotas{
		Exporters: bound(limits.ExportersPerService), Ports: bound(limits.PortsPerService), Endpoints: bound(limits.EndpointsPerService),
	}
}

// load reads what is remembered from before. A snapshot that cannot be used is none.
func (a *Agent) load() snapshot.Content {
	folder := a.Settings.File.Snapshot.Folder
	if folder == "" {
		return snapshot.Content{}
	}
	content, err := snapshot.Load(folder)
	if err != nil {
		a.Log.Warn("the snapshot is not used; members are listed first", "error", err)
	}
	if content == nil {
		return snapshot.Content{}
	}
	return *content
}

// remembered is what the snapshot holds; false while that is not known.
func (a *Agent) remembered() (*snapshot.Content, bool) {
	state := a.loop.State()
	if state == nil || state.Shards == nil {
		return nil, false
	}
	return &snapshot.Content{Shards: state.Shards, Incumbents: contested(state.View, state.Unsettled)}, true
}

// admitted are the members that may call a service of ours, where not all may.
func admitted(rules []v1alpha1.AdmitRule) map[model.ServiceKey][]model.MemberName {
	out := make(map[model.ServiceKey][]model.MemberName, len(rules))
	for _, rule := range rules {
		key := model.ServiceKey{Namespace: rule.Namespace, Name: rule.Name}
		out[key] = []model.MemberName{}
		for _, name := range rule.Members {
			out[key] = append(out[key], model.MemberName(name))
		}
	}
	return out
}
