package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

var cart = model.ServiceKey{Namespace: "shop", Name: "cart"}

// healthy is a service that member west exports and a gateway of east reaches.
func healthy() Evidence {
	return Evidence{
		Service: cart, From: model.Vantage{Member: "east", Network: "net-east"}, View: viewOf("net-west", nil),
		Members: []MemberEvidence{
			{Name: "east", Watched: true, State: model.Ready},
			{Name: "west", Watched: true, State: model.Ready, Service: true, Exported: true, Endpoints: 3, Serving: 2, Offered: 3},
		},
		Here: &Here{
			Namespace: true, Derived: "derived-1", Found: true, Listeners: map[uint16]uint16{80: 20000},
			ReadyGateways: 1, Gateways: []GatewayEvidence{{Node: "gateway-1"}},
		},
	}
}

// viewOf has two members, the second one on a network, and the service.
func viewOf(network model.NetworkID, change func(*model.Service)) *model.View {
	service := &model.Service{
		Key: cart, Ports: []model.Port{{Name: "http", Number: 80}}, Exporters: []model.MemberName{"west"},
		Backends: []model.Backend{{Member: "west", Ports: []string{"http"}}},
	}
	if change != nil {
		change(service)
	}
	return &model.View{
		Members: map[model.MemberName]*model.Member{
			"east": {Name: "east", Network: "net-east"},
			"west": {Name: "west", Network: network, Gateways: []model.HostPort{{Host: "192.0.2.1", Port: 15443}}},
		},
		Services: model.Services{}.With(map[model.ServiceKey]*model.Service{cart: service}),
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	west := func(e *Evidence) *MemberEvidence { return &e.Members[1] }
	lost := func(service *model.Service) {
		service.Conflicts = []model.Conflict{{Reason: model.PortConflict, Winner: "east", Losers: []model.MemberName{"west"}, Message: "80 and 81"}}
	}
	for name, tc := range map[string]struct {
		change func(*Evidence)
		only   model.MemberName
		// want is the first step that is not so, with the beginning of its reason.
		want string
	}{
		"everything is in order": {func(*Evidence) {}, "", ""},
		"nobody exports it": {
			func(e *Evidence) { *west(e), e.View = e.Members[0], &model.View{} }, "",
			"export: no member has a Service",
		},
		"one member was asked for that has nothing": {
			func(*Evidence) {}, "east", "east service: there is no Service shop/cart",
		},
		"the record of the member is not in use": {
			func(e *Evidence) {
				west(e).Watched, west(e).Description, west(e).Fix = false, "its record is broken", "mend it"
			}, "west",
			"west member: its record is broken; fix: mend it",
		},
		"the member is being listed": {
			func(e *Evidence) {
				west(e).State, west(e).Offered, west(e).Description, west(e).Fix = model.Joining, 0, "listing", "wait"
			}, "",
			"west member: listing",
		},
		"the member is remembered from before": {
			func(e *Evidence) {
				*west(e) = MemberEvidence{Name: "west", Watched: true, State: model.Joining, Offered: 3, Description: "listing", Fix: "wait"}
			}, "",
			"west member: listing",
		},
		"there is an export and no Service": {
			func(e *Evidence) { west(e).Service, west(e).Offered = false, 0 }, "",
			"west service: there is no Service",
		},
		"there is a Service and no export": {
			func(e *Evidence) { west(e).Exported, west(e).Offered = false, 0 }, "",
			"west export: nothing exports it",
		},
		"the export is not taken": {
			func(e *Evidence) {
				west(e).Withheld, west(e).Remedy, west(e).Offered = "NamespaceDenied: no", "allow it", 0
			}, "",
			"west taken: NamespaceDenied: no; fix: allow it",
		},
		"addresses are dropped": {
			func(e *Evidence) { west(e).Dropped = []string{"EndpointSlice shop/cart-1: AddressDenied 127.0.0.1"} }, "",
			"west dropped: parts of its objects are not used: EndpointSlice shop/cart-1: AddressDenied 127.0.0.1",
		},
		"there are no endpoints": {
			func(e *Evidence) { west(e).Endpoints, west(e).Serving, west(e).Offered = 0, 0, 0 }, "",
			"west endpoints: it has no endpoints",
		},
		"no endpoint is ready": {
			func(e *Evidence) { west(e).Serving = 0 }, "",
			"west endpoints: none of 3 endpoints is ready",
		},
		"the member is over its limit": {
			func(e *Evidence) { west(e).Offered = 0 }, "",
			"west endpoints: of 3 endpoints none is taken",
		},
		"its gateway is not reached": {
			func(e *Evidence) {
				west(e).Unreached = "tcp: timeout"
				e.View.Members["west"].Gateways[0].Name = "lb.example.com"
			}, "",
			"west way: its gateway at 192.0.2.1:15443 (lb.example.com) is not reached: tcp: timeout",
		},
		"it is demoted": {
			func(e *Evidence) { e.View.Members["west"].Demoted = true }, "",
			"west priority: its endpoints are used only where nobody else has one",
		},
		"there is no view": {func(e *Evidence) { e.View = nil }, "", "west view: there is no view yet"},
		"all ports lost": {
			func(e *Evidence) {
				e.View = viewOf("net-west", func(s *model.Service) { lost(s); s.Backends = nil })
			}, "",
			"west view: none of its ports is used: PortConflict: 80 and 81",
		},
		"a port lost": {
			func(e *Evidence) {
				e.View = viewOf("net-west", func(s *model.Service) { lost(s); s.Ports = append(s.Ports, model.Port{Name: "admin", Number: 81}) })
			}, "",
			`west view: it serves only ["http"]: PortConflict`,
		},
		"the member has no gateway": {
			func(e *Evidence) {
				e.Untranslated = []Untranslated{{Member: "west", Reason: "GatewayMissing", Message: "none"}}
			}, "",
			"west way: GatewayMissing: none",
		},
		"a port is not TCP": {
			func(e *Evidence) {
				e.Untranslated = []Untranslated{{Service: cart, Reason: "ProtocolUnsupported", Message: "UDP"}}
			}, "",
			"translated: ProtocolUnsupported: UDP",
		},
		"the namespace is missing": {func(e *Evidence) { e.Here.Namespace = false }, "", "namespace: this cluster has no namespace shop"},
		"the own cluster cannot be read": {
			func(e *Evidence) { e.Here.Unknown = "no answer" }, "", "namespace: no answer",
		},
		"the service is headless": {
			func(e *Evidence) { e.View = viewOf("net-west", func(s *model.Service) { s.Type = model.Headless }) }, "",
			"derived: the service is headless",
		},
		"the derived Service is missing": {func(e *Evidence) { e.Here.Found = false }, "", "derived: there is no Service shop/derived-1"},
		"no port was allocated":          {func(e *Evidence) { e.Here.Listeners = nil }, "", "port: the gateway has no port yet for port 80"},
		"no gateway is ready":            {func(e *Evidence) { e.Here.ReadyGateways = 0 }, "", "gateway: no pod of the local gateway is ready"},
		"gateways of another replica":    {func(e *Evidence) { e.Here.Gateways = nil }, "", ""},
		"a gateway refused": {
			func(e *Evidence) { e.Here.Gateways[0].Nack = "Cluster: no" }, "", "gateway: gateway gateway-1 refused its configuration: Cluster: no",
		},
		"a gateway has not answered": {func(e *Evidence) { e.Here.Gateways[0].Pending = true }, "", "gateway: gateway gateway-1 has not answered"},
		"on one network no gateway is needed": {
			func(e *Evidence) {
				e.View, e.Here.ReadyGateways, e.Here.Listeners = viewOf("net-east", nil), 0, nil
			}, "", "",
		},
		"beside Istio nothing of the own cluster is asked": {func(e *Evidence) { e.Here = nil }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evidence := healthy()
			tc.change(&evidence)
			got := Explain(evidence, tc.only)
			if first := firstFailure(got); !strings.HasPrefix(first, tc.want) || (tc.want == "") != got.OK {
				t.Errorf("got  %q\nwant %q", first, tc.want)
			}
			for _, step := range got.Steps {
				if step.Why == "" || step.OK == (step.Fix != "") {
					t.Errorf("step %+v: one that is not so needs a fix, and every one a reason", step)
				}
			}
		})
	}
}

func firstFailure(e Explanation) string {
	at := slices.IndexFunc(e.Steps, func(one Step) bool { return !one.OK })
	if at < 0 {
		return ""
	}
	step := e.Steps[at]
	return strings.TrimSpace(fmt.Sprintf("%s %s: %s; fix: %s", step.Member, step.Step, step.Why, step.Fix))
}

func TestTheStepsOfTheDataPath(t *testing.T) {
	t.Parallel()
	var got []string
	for _, step := range Explain(healthy(), "").Steps {
		got = append(got, strings.TrimSpace(string(step.Member)+" "+step.Step+": "+step.Why))
	}
	want := []string{
		"west member: it is watched", "west service: the Service is there", "west export: there is a ServiceExport", "west taken: the export is taken",
		"west endpoints: 2 of 3 endpoints are ready", "west view: its endpoints are in the view", "west way: through its gateway at 192.0.2.1:15443",
		"namespace: it exists", "derived: clients call derived-1.shop.svc", "port: the gateway listens for port 80 at 20000",
		"gateway: gateway gateway-1 has accepted all that it was sent",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
