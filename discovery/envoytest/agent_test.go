//go:build envoy

package envoytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/eds"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/eastwest-mesh/eastwest/discovery/authority"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// agentPort is where an agent serves xDS, on the address of its gateway.
const agentPort = 15012

// agent is what the agent of a member does between its view and its gateway.
type agent struct {
	t         *testing.T
	member    model.MemberName
	from      model.Vantage
	address   string
	folder    string
	authority *authority.Authority
	serving   *authority.Rotating
	gateway   *authority.Rotating
	admitted  atomic.Pointer[[]*tlsv3.Secret]

	mu sync.Mutex // guards what follows, and that publications are in order
	// budget is how many checks go up to a pod; clients narrow who may enter; prefer
	// is which members' endpoints come first.
	budget    int
	prefer    model.Preference
	clients   map[model.ServiceKey][]string
	listeners map[model.PortKey]uint16
	view      *model.View
	shown     translate.Set
	// publisher is nil while the agent is down.
	publisher *publish.Publisher
	listener  *trackingListener
	stop      func()
}

func newAgent(t *testing.T, m *mesh, member *model.Member) *agent {
	t.Helper()
	a := &agent{
		t: t, member: member.Name, from: model.Vantage{Member: member.Name, Network: member.Network},
		address: fmt.Sprintf("%s:%d", member.Gateways[0].Host, agentPort), folder: t.TempDir(),
		budget: 1000,
	}
	testca.Write(t, a.folder, m.root.Intermediate(t, testca.Within(testca.TrustDomain)).Files(t))
	var err error
	options := authority.Options{Dir: a.folder, TrustDomain: testca.TrustDomain, Poll: 50 * time.Millisecond}
	if a.authority, err = authority.Open(options); err != nil {
		t.Fatal(err)
	}
	if a.serving, err = a.authority.Rotating(id("agent-"+string(a.member)), 0); err != nil {
		t.Fatal(err)
	}
	if a.gateway, err = a.authority.Rotating(member.Identity, 0); err != nil {
		t.Fatal(err)
	}
	a.issue()
	a.start()
	t.Cleanup(a.kill)
	return a
}

// issue keeps certificates fresh for as long as the test runs.
func (a *agent) issue() {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = a.authority.Run(ctx) })
	work.Go(func() { _ = a.serving.Run(ctx, func(authority.Pair) {}) })
	work.Go(func() {
		_ = a.gateway.Run(ctx, func(authority.Pair) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.publishLocked(true)
		})
	})
	a.t.Cleanup(func() {
		cancel()
		work.Wait()
	})
}

// Credential implements publish.Secrets.
func (a *agent) Credential(identity string) (publish.Credential, error) {
	pair := a.gateway.Pair()
	if identity != pair.Identity {
		return publish.Credential{}, errors.New("no credential")
	}
	credential := publish.Credential{Chain: pair.Chain, Key: pair.Key.PEM(), Roots: pair.Roots}
	if admitted := a.admitted.Load(); admitted != nil {
		credential.Admitted = *admitted
	}
	return credential, nil
}

// start begins to serve with nothing remembered but the view.
func (a *agent) start() {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	listener, err := net.Listen("tcp", a.address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.listener = &trackingListener{Listener: listener}
	a.publisher = publish.New(publish.Options{
		TLS: publish.TLS{
			Certificate: a.serving.Certificate, Roots: a.authority.Pool, TrustDomain: testca.TrustDomain,
		},
		Member:  func(identity string) (model.MemberName, bool) { return a.member, identity == gatewayID(a.member) },
		Secrets: a,
	})
	a.publishLocked(true)
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	// Whoever kills it at once takes it away before this has begun.
	publisher, tracked := a.publisher, a.listener
	served.Go(func() { _ = publisher.Serve(ctx, tracked) })
	a.stop = func() {
		cancel()
		served.Wait()
	}
}

// kill ends the agent as a crash would: its gateway sees connections break.
func (a *agent) kill() {
	a.mu.Lock()
	stop, listener := a.stop, a.listener
	a.publisher, a.stop = nil, nil
	a.mu.Unlock()
	if stop != nil {
		listener.cut()
		stop()
	}
}

// show makes a view the agent's.
func (a *agent) show(view *model.View, listeners map[model.PortKey]uint16) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	whole := a.view == nil || !maps.Equal(a.view.Members, view.Members) || !maps.Equal(a.listeners, listeners)
	a.view, a.listeners = view, maps.Clone(listeners)
	a.publishLocked(whole)
}

// set changes what the agent does besides its view.
func (a *agent) set(change func(*agent)) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
	a.publishLocked(true)
}

// publishLocked does as the agent's loop does: endpoints go by themselves where
// nothing else can differ.
func (a *agent) publishLocked(whole bool) {
	a.t.Helper()
	if a.view == nil || a.publisher == nil {
		return
	}
	options := translate.Options{
		TrustDomain: testca.TrustDomain, Roots: a.authority.Roots(), Listeners: a.listeners,
		Clients: a.clients, Prefer: a.prefer, Bind: netip.MustParseAddr(a.view.Members[a.member].Gateways[0].Host),
	}
	options.EndToEnd = translate.WithinBudget(a.view, a.from, options, a.budget)
	set := translate.Gateway(a.view, a.from, options)
	whole = whole || !sameNames(a.shown, set)
	a.shown = set
	if !whole {
		if _, err := a.publisher.PublishEndpoints(a.member, set.Endpoints); err != nil {
			a.t.Error(err)
		}
		return
	}
	// Whom a listener admits goes ahead of the listener.
	a.admitted.Store(&set.Secrets)
	if _, err := a.publisher.Renewed(gatewayID(a.member)); err != nil {
		a.t.Error(err)
	}
	sent := publish.Set{Endpoints: set.Endpoints, Clusters: set.Clusters, Listeners: set.Listeners}
	if _, err := a.publisher.Publish(a.member, sent); err != nil {
		a.t.Error(err)
	}
}

func sameNames(a, b translate.Set) bool {
	return len(a.Listeners) == len(b.Listeners) && slices.EqualFunc(a.Endpoints, b.Endpoints,
		func(x, y *eds.Assignment) bool { return x.Name == y.Name })
}

// stats are the publisher's counts.
func (a *agent) stats() publish.Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.publisher.Stats()
}

// settled is nil when a gateway is connected and has acknowledged all there is.
func (a *agent) settled() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	proxies := a.publisher.Proxies()
	if len(proxies) != 1 {
		return fmt.Errorf("%d gateways are connected", len(proxies))
	}
	types := map[string]bool{}
	for _, one := range proxies[0].Subscriptions {
		types[one.Type] = true
		if one.Pending {
			return fmt.Errorf("%s is under way", one.Type)
		}
		if one.Nacks > 0 {
			return fmt.Errorf("%s was refused: %s", one.Type, one.Nack.Message)
		}
	}
	if len(types) != 4 {
		return fmt.Errorf("asked for %v only", slices.Sorted(maps.Keys(types)))
	}
	return nil
}

// trackingListener can break all connections that it has accepted.
type trackingListener struct {
	net.Listener
	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func (l *trackingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, conn)
		l.mu.Unlock()
	}
	return conn, err
}

// cut closes the listener and its connections.
func (l *trackingListener) cut() {
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
}
