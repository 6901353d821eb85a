//go:build envoy

package envoytest

import (
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// The members of most meshes.
const (
	c1 model.MemberName = "c1"
	c2 model.MemberName = "c2"
	c3 model.MemberName = "c3"
)

// Ports of services, and what the pods behind them listen on.
var (
	database = model.Port{Name: "tcp-db", Number: 5432}
	requests = model.Port{Name: "http", Number: 80}
)

const podPort = 5000

// mesh is members on networks of their own, with the services they export. Each
// gateway has an address on loopback, and so has each pod.
type mesh struct {
	t      *testing.T
	subnet string
	root   *testca.Signer
	agents map[model.MemberName]*agent
	// members and services are the view that is shown to the agents next.
	members  map[model.MemberName]*model.Member
	services map[model.ServiceKey]*model.Service
	// listeners are the gateways' ports.
	listeners map[model.PortKey]uint16
	pods      map[model.MemberName]int
}

// newMesh has an agent for each member, and no Envoy yet.
func newMesh(t *testing.T, names ...model.MemberName) *mesh {
	t.Helper()
	m := &mesh{
		t: t, subnet: fmt.Sprintf("%s.%d", run.network, run.meshes.Add(1)), root: testca.Root(t),
		agents: map[model.MemberName]*agent{}, members: map[model.MemberName]*model.Member{},
		services: map[model.ServiceKey]*model.Service{}, listeners: map[model.PortKey]uint16{},
		pods: map[model.MemberName]int{},
	}
	for _, name := range names {
		m.join(name)
	}
	for _, name := range names {
		m.agents[name] = newAgent(t, m, m.members[name])
	}
	return m
}

// join adds a member to the view.
func (m *mesh) join(name model.MemberName) {
	at := len(m.members) + 1
	m.members[name] = &model.Member{
		Name: name, Network: model.NetworkID(name), State: model.Ready, Identity: gatewayID(name),
		Gateways: []model.HostPort{{Host: m.address(at), Port: translate.InboundPort}},
	}
}

func (m *mesh) address(last int) string { return fmt.Sprintf("%s.%d", m.subnet, last) }

func gatewayID(name model.MemberName) string { return id("gateway-" + string(name)) }

func id(account string) string {
	return "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/" + account
}

// podAddress is one that no pod of the member has had yet.
func (m *mesh) podAddress(of model.MemberName) string {
	m.pods[of]++
	return m.address(int(of[1]-'0')*20 + m.pods[of])
}

// export makes or replaces a service; backends are the addresses of its pods. A
// member without a pod exports it all the same.
func (m *mesh) export(name string, port model.Port, backends map[model.MemberName][]string) model.PortKey {
	key := model.ServiceKey{Namespace: "sample", Name: name}
	service := &model.Service{Key: key, Ports: []model.Port{port}}
	for _, member := range []model.MemberName{c1, c2, c3} {
		addresses, exports := backends[member]
		if !exports {
			continue
		}
		service.Exporters = append(service.Exporters, member)
		slice := &model.Slice{Name: "one", Ports: []model.Port{{Name: port.Name, Number: podPort}}}
		for _, address := range addresses {
			slice.Endpoints.Append(model.Endpoint{Addr: netip.MustParseAddr(address), Zone: model.NoZone})
		}
		if len(addresses) > 0 {
			service.Backends = append(service.Backends, model.Backend{Member: member, Ports: []string{port.Name}, Slices: []*model.Slice{slice}})
		}
	}
	m.services[key] = service
	at := model.PortKey{Service: key, Number: port.Number}
	if m.listeners[at] == 0 {
		m.listeners[at] = uint16(20000 + len(m.listeners))
	}
	return at
}

// view is what there is now.
func (m *mesh) view() *model.View {
	view := &model.View{Members: maps.Clone(m.members)}
	view.Services = view.Services.With(m.services)
	return view
}

// publish shows every agent what there is now.
func (m *mesh) publish() {
	m.t.Helper()
	for _, agent := range m.agents {
		agent.show(m.view(), m.listeners)
	}
}

// egress is where clients in a member reach a port of a service.
func (m *mesh) egress(from model.MemberName, port model.PortKey) string {
	return fmt.Sprintf("%s:%d", m.members[from].Gateways[0].Host, m.listeners[port])
}

// inbound is where peers reach a member's gateway.
func (m *mesh) inbound(of model.MemberName) string { return m.members[of].Gateways[0].String() }
