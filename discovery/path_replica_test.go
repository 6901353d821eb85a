package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/member"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// replica is one process of the agent.
type replica struct {
	world    *world
	pod      string
	settings *settings.Settings
	caFolder string
	// isolated is true while it cannot reach its own cluster: connections are closed, or
	// stand still.
	isolated bool

	agent    *Agent
	listener *pipes
	cancel   context.CancelFunc
	group    *errgroup.Group
	conns    *owned
}

func (w *world) newReplica(number int) *replica {
	folder := w.TempDir()
	testca.Write(w, folder, w.ca.Files(w))
	text := fmt.Sprintf(`apiVersion: eastwest.dev/v1alpha1
kind: AgentConfig
mesh: shop
member: {name: %s, network: %s}
members: {source: folder, folder: %s}
snapshot: {folder: %s}
limits: {services: %d, endpoints: %d}
`, ownName, w.own.network, folder, w.TempDir(), quotaServices, quotaEndpoints)
	read, err := settings.Decode([]byte(text))
	if err != nil {
		w.Fatal(err)
	}
	return &replica{world: w, pod: fmt.Sprintf("agent-%d", number), settings: read, caFolder: folder}
}

// start begins a new process with what the last one left on disk.
func (r *replica) start() {
	w := r.world
	r.conns = newOwned(r)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	agent, err := New(ctx, Options{
		Settings: r.settings, Namespace: v1alpha1.AgentNamespace, Pod: r.pod, CAFolder: r.caFolder,
		Config: &rest.Config{
			Host: "http://own", Dial: r.conns.dial, BearerToken: w.own.token, UserAgent: r.pod,
			ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
		},
		Log: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		w.Fatal(err)
	}
	// Records are read from Secrets, as in a cluster; that they are not said to be keeps
	// the agent from renewing tokens, for which it dials members by itself.
	agent.members.source = member.NewSecrets(agent.kube, v1alpha1.AgentNamespace, member.Options{
		Own: agent.members.own, Events: wired{agent.members, w},
	})
	own, err := agent.watchOwn(agent.members.own)
	if err != nil {
		w.Fatal(err)
	}
	r.agent, r.listener = agent, newPipes()
	r.group, ctx = errgroup.WithContext(ctx)
	agent.work(ctx, r.group, own)
	r.group.Go(func() error { return agent.publisher.Serve(ctx, r.listener) })
}

// stop ends the process and waits for it.
func (r *replica) stop() {
	r.cancel()
	if err := r.group.Wait(); err != nil {
		r.world.Error(err)
	}
	r.heal()
	r.isolate() // closes what idle connections the process left, as its end does
	r.heal()
}

// forget removes what the process left on disk.
func (r *replica) forget() {
	if err := os.Remove(filepath.Join(r.settings.File.Snapshot.Folder, "last.shards")); err != nil && !os.IsNotExist(err) {
		r.world.Fatal(err)
	}
}

// wired has the agent dial members in memory: everything but the address and the
// transport is as the record has it.
type wired struct {
	*members
	world *world
}

func (e wired) reach(one member.Member) member.Member {
	config := *one.Config
	config.Host, config.Dial = "http://member", e.world.clusters[one.Name()].api.Dial
	config.TLSClientConfig = rest.TLSClientConfig{}
	one.Config = &config
	return one
}

func (e wired) Join(one member.Member)    { e.members.Join(e.reach(one)) }
func (e wired) Replace(one member.Member) { e.members.Replace(e.reach(one)) }
