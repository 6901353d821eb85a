package discovery

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/discovery/dns"
	"github.com/eastwest-mesh/eastwest/discovery/metrics"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
)

// askersEvery is how often it is looked who the cluster's own DNS servers are.
const askersEvery = 30 * time.Second

// answerer answers for clusterset.local from the view.
type answerer struct {
	agent  *Agent
	server *dns.Server
	wakes  []<-chan struct{}
	// touched are services whose address in the own cluster has changed.
	touched *dirty.Set[model.ServiceKey]
	// last is the view that the zone was made from; nil before there was one.
	last *model.View
	// made gets a value when there is another zone.
	made chan struct{}
	// askers are the cluster's own DNS servers: they ask on behalf of everybody.
	askers atomic.Pointer[[]netip.Prefix]
}

// newAnswerer is nil where names are not answered.
func (a *Agent) newAnswerer() *answerer {
	if a.Settings.File.DNS.Listen == "" {
		return nil
	}
	d := &answerer{
		agent: a, made: make(chan struct{}, 1), wakes: []<-chan struct{}{a.loop.subscribe(), a.cluster.Changed()}, touched: a.cluster.Touched(),
	}
	d.server = dns.New(dns.Options{Exempt: d.exempt, Log: a.Log})
	return d
}

func (d *answerer) exempt() []netip.Prefix {
	if known := d.askers.Load(); known != nil {
		return *known
	}
	return nil
}

// run answers until ctx ends.
func (d *answerer) run(ctx context.Context) error {
	sockets, err := dns.Listen(ctx, d.agent.Settings.File.DNS.Listen)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.server.Serve(ctx, sockets) })
	group.Go(func() error {
		d.follow(ctx)
		return nil
	})
	group.Go(func() error {
		d.know(ctx)
		return nil
	})
	return group.Wait()
}

// follow makes a new zone whenever the view or the cluster has changed.
func (d *answerer) follow(ctx context.Context) {
	for {
		d.repack()
		select {
		case <-ctx.Done():
			return
		case <-d.wakes[0]:
		case <-d.wakes[1]:
		}
	}
}

func (d *answerer) repack() {
	a := d.agent
	state := a.loop.State()
	if _, known := a.cluster.Ports(); state == nil || !known {
		return // what the own cluster has is not known yet
	}
	own, view := a.loop.translation.from, state.View
	if !a.Settings.File.MCS.On() {
		// That no name exists is said: a server that is silent would be waited for.
		view = &model.View{Members: view.Members}
	}
	before := d.server.Zone()
	zone := dns.Make(before, dns.Source{
		View: view, Complete: state.Complete, From: own, Prefer: a.Settings.Prefer, Namespace: a.cluster.HasNamespace,
		Addresses: func(key model.ServiceKey) []netip.Addr {
			_, addresses := a.cluster.Address(key)
			return addresses
		},
	}, d.changed(view))
	d.server.Set(zone)
	if zone != before {
		select {
		case d.made <- struct{}{}:
		default: // one who is behind finds the newest
		}
	}
}

// changed are the services that may have another entry than before; nil: all of them.
func (d *answerer) changed(view *model.View) []model.ServiceKey {
	last := d.last
	d.last = view
	changed, all := d.touched.Take()
	if last == nil || all {
		return nil
	}
	for key := range last.Services.Different(&view.Services) {
		changed[key] = struct{}{}
	}
	keys := make([]model.ServiceKey, 0, len(changed))
	for key := range changed {
		if key.Name == "" {
			return nil // a namespace came or went
		}
		keys = append(keys, key)
	}
	return keys
}

// unnamed is how many endpoints of services have no name of their own.
func (d *answerer) unnamed() map[model.ServiceKey]int {
	if zone := d.server.Zone(); zone != nil {
		return zone.Omitted()
	}
	return nil
}

// counted is the server and its zone as monitoring sees them.
func (d *answerer) counted() *metrics.DNS {
	s := d.server.Stats()
	out := &metrics.DNS{
		Answers: map[metrics.Answered]int{}, Truncated: int(s.Truncated), Slipped: int(s.Slipped),
		Dropped: map[string]int{}, Connections: s.Connections, Changed: s.Changed,
	}
	for of, count := range s.Answers {
		out.Answers[metrics.Answered(of)] = int(count)
	}
	for reason, count := range s.Dropped {
		out.Dropped[reason] = int(count)
	}
	if zone := d.server.Zone(); zone != nil {
		size := zone.Size()
		out.Services, out.Records, out.Omitted = size.Services, size.Records, size.Omitted
	}
	return out
}

// know keeps up who the cluster's own DNS servers are, and what was configured.
func (d *answerer) know(ctx context.Context) {
	ticker := time.NewTicker(askersEvery)
	defer ticker.Stop()
	for {
		d.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// dnsService is the Service of the cluster's own DNS, whatever serves it.
const dnsService = "kube-dns"

func (d *answerer) look(ctx context.Context) {
	found := append([]netip.Prefix(nil), d.agent.Settings.DNSExempt...)
	list, err := d.agent.kube.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + dnsService,
	})
	if err != nil {
		return // who was known stays
	}
	for i := range list.Items {
		for _, endpoint := range list.Items[i].Endpoints {
			for _, text := range endpoint.Addresses {
				if address, err := netip.ParseAddr(text); err == nil {
					found = append(found, netip.PrefixFrom(address, address.BitLen()))
				}
			}
		}
	}
	d.askers.Store(&found)
}
