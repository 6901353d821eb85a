// Package plain is what a verification has to know of clusters without a mesh,
// whose gateways our agent drives: that services are called by the names of
// derived Services, what agents and gateways say of the links, and what the
// weights in the own gateway are. It collects; judging is package chain's.
//
//	facts   what one cluster's API says about its part in the mesh
//	envoy   what one gateway says about itself
//	chain   pure: the checks of a link
package plain

import (
	"context"
	"sync"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/judge"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
)

// Dataplane is clusters without a mesh, during one run.
type Dataplane struct {
	members map[*verify.Member]*member
}

// New prepares for one run.
func New() *Dataplane { return &Dataplane{members: map[*verify.Member]*member{}} }

// member is a cluster, as it is seen without a mesh.
type member struct {
	*verify.Member

	mu    sync.Mutex // guards what follows: several loads of a member run at once
	facts facts.Cluster
	// derived are the names that are there, by service.
	derived map[string]facts.Derived
}

// of is the member; empty for one that took no part from the start.
func (d *Dataplane) of(m *verify.Member) *member {
	if known := d.members[m]; known != nil {
		return known
	}
	return &member{Member: m}
}

// Plain is true: pods have no sidecar, and services are exported one by one.
func (d *Dataplane) Plain() bool { return true }

// Prepare reads the mesh as it is without anything of the run's.
func (d *Dataplane) Prepare(ctx context.Context, s *verify.Scene) {
	for _, m := range s.Members {
		d.members[m] = &member{Member: m}
	}
	s.Each(func(m *verify.Member) {
		reader := d.of(m).reader()
		reader.Namespace = ""
		d.of(m).read(ctx, reader)
	})
}

// Refresh looks which derived Services there are: a name that is asked for too
// early is remembered by DNS as one that does not exist.
func (d *Dataplane) Refresh(ctx context.Context, s *verify.Scene, m *verify.Member) {
	one := d.of(m)
	derived, err := one.reader().ReadDerived(ctx)
	if err != nil {
		return // what was there before goes on to be called
	}
	one.mu.Lock()
	news := len(derived) != len(one.derived)
	one.derived = derived
	one.mu.Unlock()
	if news {
		s.Step(m.Name, "%d derived services", len(derived))
	}
}

// Host is the name of the derived Service.
func (d *Dataplane) Host(m *verify.Member, service string) string {
	one := d.of(m)
	one.mu.Lock()
	defer one.mu.Unlock()
	if derived, found := one.derived[service]; found {
		return derived.Host()
	}
	return ""
}

// Unseen judges a cell by what the clusters' APIs said.
func (d *Dataplane) Unseen(c *verify.Cell) judge.Verdict {
	return chain.First(d.evidence(c, nil, nil))
}

// Network is for the caller to know: pods do not say.
func (d *Dataplane) Network(*verify.Member) string { return "" }

// Unread is what of the mesh could not be read.
func (d *Dataplane) Unread(m *verify.Member) []string { return d.of(m).known().Unread }

// Order is that of the chain.
func (d *Dataplane) Order() []string { return judge.IDs(chain.Checks()) }

// Advice is where to look without a mesh.
func (d *Dataplane) Advice() verify.Advice {
	return verify.Advice{
		Flaky:      "see whether one of several gateway pods or addresses is down: /clusters of the gateway's Envoy in %s",
		Skewed:     "see whether the gateways of %s had endpoints come, go or be ejected meanwhile, and run it again with more --requests",
		Missing:    "compare the endpoints of helloworld and of the link Service in the gateway's Envoy of %s",
		Weightless: "compare the endpoints of helloworld and of the link Service in the gateway's Envoy of %s; a locality preference keeps others unused",
	}
}

func (m *member) reader() facts.Reader {
	return facts.Reader{Kube: m.Kube, Dynamic: m.Dynamic, Namespace: m.Plan.Namespace, Exports: harness.ServiceExports}
}

// read keeps what is read of the cluster now, unless the run was cut short in
// between: then what was read before is worth more.
func (m *member) read(ctx context.Context, reader facts.Reader) {
	read := reader.Read(ctx)
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts = read
}

func (m *member) known() facts.Cluster {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.facts
}
