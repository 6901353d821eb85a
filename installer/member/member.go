// Package member connects to one cluster and gathers its facts: identity,
// istiod, network, gateways, exposure, remote secrets, nodes. It reads only; it
// judges nothing (preflight does) and knows nothing of other members.
package member

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/eastwest-mesh/eastwest/internal/buildinfo"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Options say how to reach a cluster.
type Options struct {
	// Name of the member.
	Name string
	// Config comes from the strict kubeconfig loader.
	Config *rest.Config
	// Context is the kubeconfig context, for messages.
	Context string
	// IstioNamespace is where istiod runs.
	IstioNamespace string
	// Timeout bounds one request, default 15 s.
	Timeout time.Duration
}

// Member is a connection to one cluster.
type Member struct {
	Name           string
	Context        string
	IstioNamespace string

	Config  *rest.Config
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
	Mapper  meta.RESTMapper
}

// Rate of requests to one API server: a few hundred short requests in a burst
// are normal for a run over one cluster.
const (
	queriesPerSecond = 100
	queryBurst       = 200
	defaultTimeout   = 15 * time.Second
)

// Connect makes the clients. It contacts nothing.
func Connect(options Options) (*Member, error) {
	config := rest.CopyConfig(options.Config)
	config.UserAgent = "eastwest/" + buildinfo.Read().Version
	config.QPS, config.Burst = queriesPerSecond, queryBurst
	config.Timeout = options.Timeout
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", options.Name, err)
	}
	kube, err := kubernetes.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", options.Name, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", options.Name, err)
	}
	return &Member{
		Name: options.Name, Context: options.Context, IstioNamespace: options.IstioNamespace,
		Config: config, Kube: kube, Dynamic: dyn,
		Mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery())),
	}, nil
}

// Unreachable is the problem of a cluster that did not answer.
func Unreachable(name string, cause error) error {
	return problem.New(problem.Cluster, "ClusterUnreachable", "the API server does not answer").
		On(name).Because(cause).
		WithFix("check that its kubeconfig works: kubectl get namespace kube-system")
}

// Gather reads the facts of the cluster. The error is a problem that names the
// cluster; facts are complete or absent.
func (m *Member) Gather(ctx context.Context) (*Facts, error) {
	return gather(ctx, m)
}
