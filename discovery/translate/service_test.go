package translate

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func TestSpeaksHTTP(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		port model.Port
		http bool
	}{
		"a port called http":           {model.Port{Name: "http"}, true},
		"a port called http-something": {model.Port{Name: "http-metrics"}, true},
		"http2":                        {model.Port{Name: "http2"}, true},
		"grpc":                         {model.Port{Name: "grpc-api"}, true},
		"https is bytes to us":         {model.Port{Name: "https"}, false},
		"httpd is a word of its own":   {model.Port{Name: "httpd"}, false},
		"a port without a name":        {model.Port{}, false},

		"what the owner says counts before names": {model.Port{Name: "http", AppProtocol: "tcp"}, false},
		"h2c as Kubernetes writes it":             {model.Port{Name: "api", AppProtocol: "kubernetes.io/h2c"}, true},
		"WebSockets as Kubernetes writes it":      {model.Port{Name: "api", AppProtocol: "kubernetes.io/ws"}, true},
		"capitals":                                {model.Port{Name: "api", AppProtocol: "HTTP"}, true},
		"an unknown word":                         {model.Port{Name: "http", AppProtocol: "example.com/own"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := speaksHTTP(tc.port); got != tc.http {
				t.Errorf("got %v, want %v", got, tc.http)
			}
		})
	}
}

// TestUDP says so where a port would have to go between networks, and only there.
func TestUDP(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		networks  map[model.MemberName]model.NetworkID
		exporters []model.MemberName
		problems  int
	}{
		"offered by another network":     {map[model.MemberName]model.NetworkID{"a": "1", "b": "2"}, []model.MemberName{"b"}, 1},
		"offered to another network":     {map[model.MemberName]model.NetworkID{"a": "1", "b": "2"}, []model.MemberName{"a"}, 1},
		"offered within the own network": {map[model.MemberName]model.NetworkID{"a": "1", "b": "1"}, []model.MemberName{"a", "b"}, 0},
		"a matter among others":          {map[model.MemberName]model.NetworkID{"a": "1", "b": "1", "c": "2"}, []model.MemberName{"b"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			view := &model.View{Members: map[model.MemberName]*model.Member{}}
			for name, network := range tc.networks {
				view.Members[name] = &model.Member{Name: name, Network: network}
			}
			service := &model.Service{
				Key: serviceKey("ns/dns"), Exporters: tc.exporters, Ports: []model.Port{{Name: "dns", Number: 53, Protocol: model.UDP}},
			}
			set := Service(view, service, model.Vantage{Member: "a", Network: "1"}, Options{TrustDomain: domain})
			if len(set.Problems) != tc.problems {
				t.Errorf("got %v, want %d", set.Problems, tc.problems)
			}
		})
	}
}

// TestBudget checks end to end the services that came first.
func TestBudget(t *testing.T) {
	t.Parallel()
	asked := scene{From: "a", Listeners: map[string]uint16{"ns/late:1": 20003, "ns/early:1": 20000, "ns/flat:1": 20001, "ns/both:1": 20002, "ns/gone:1": 20004}}
	for _, name := range []model.MemberName{"a", "b", "c"} {
		asked.Members = append(asked.Members, memberInput{Name: name, Network: model.NetworkID(name)})
	}
	for name, exporters := range map[string][]model.MemberName{
		"ns/late": {"b"}, "ns/early": {"a", "b"}, "ns/flat": {"a"}, "ns/both": {"b", "c"},
	} {
		asked.Services = append(asked.Services, serviceInput{Name: name, Ports: []string{"sql 1/TCP"}, Exporters: exporters})
	}
	view, from, options := asked.build(t)
	all := []string{"ns/early:1", "ns/flat:1", "ns/both:1", "ns/late:1"}
	for budget, want := range []int{0, 2, 2, 3, 4} {
		picked := map[model.PortKey]bool{}
		for _, text := range all[:want] {
			picked[portKey(t, text)] = true
		}
		if got := WithinBudget(view, from, options, budget); len(got) != len(picked) {
			t.Errorf("a budget of %d: got %v, want %v", budget, got, picked)
		} else {
			diff(t, picked, got)
		}
	}
}

func TestNobodyIsLetInWhereNobodyIs(t *testing.T) {
	t.Parallel()
	asked := scene{From: "a", Members: []memberInput{{Name: "a", Network: "a"}, {Name: "b", Network: "b", Identity: "spiffe://elsewhere/b"}}}
	view, from, options := asked.build(t)
	if set := Inbound(view, from, options); len(set.Listeners)+len(set.Secrets) > 0 {
		t.Errorf("got %v", set)
	}
}
