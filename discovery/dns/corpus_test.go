package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// zoneInput is the file zone.yaml of a case.
type zoneInput struct {
	// Network is that of whoever asks.
	Network model.NetworkID `json:"network"`
	// Member and Region are of who asks.
	Member model.MemberName `json:"member"`
	Region string           `json:"region"`
	// Namespaces are those of the cluster that asks.
	Namespaces []string     `json:"namespaces"`
	Servers    []netip.Addr `json:"servers"`
	// Unlisted is true where members are still missing.
	Unlisted bool           `json:"unlisted"`
	Members  []memberInput  `json:"members"`
	Services []serviceInput `json:"services"`
}

type memberInput struct {
	Name    model.MemberName `json:"name"`
	Network model.NetworkID  `json:"network"`
	Region  string           `json:"region"`
	Demoted bool             `json:"demoted"`
}

type serviceInput struct {
	// Name is NAMESPACE/NAME; a service with addresses is of type ClusterSetIP.
	Name      string           `json:"name"`
	Addresses []netip.Addr     `json:"addresses"`
	Headless  bool             `json:"headless"`
	Prefer    model.Preference `json:"prefer"`
	// Ports are NAME NUMBER/PROTOCOL, as everywhere below.
	Ports    []string       `json:"ports"`
	Backends []backendInput `json:"backends"`
}

type backendInput struct {
	Member  model.MemberName `json:"member"`
	Weight  uint32           `json:"weight"`
	Drained bool             `json:"drained"`
	// Won are the names of the ports that lost no conflict.
	Won    []string     `json:"won"`
	Slices []sliceInput `json:"slices"`
}

type sliceInput struct {
	Ports []string `json:"ports"`
	// Endpoints are ADDRESS [HEALTH] [HOSTNAME].
	Endpoints []string `json:"endpoints"`
}

// TestCorpus answers testdata/*.txtar: zone.yaml and queries.txt (NAME TYPE) in,
// want/answers.txt out.
func TestCorpus(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		text, _ := in.Input("zone.yaml")
		var input zoneInput
		if err := yaml.UnmarshalStrict(text, &input); err != nil {
			t.Fatal(err)
		}
		zone := Make(nil, input.source(t), nil)
		queries, _ := in.Input("queries.txt")
		var out strings.Builder
		for line := range strings.Lines(string(queries)) {
			name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
			question := new(dns.Msg).SetQuestion(name, dns.StringToType[kind])
			out.WriteString(shown(t, question, ask(t, zone, question)))
		}
		return map[string][]byte{"answers.txt": []byte(out.String())}
	})
}

// ask is what a zone answers over TCP, so that there is room for all.
func ask(t testing.TB, zone *Zone, question *dns.Msg) *dns.Msg {
	t.Helper()
	packed, err := question.Pack()
	if err != nil {
		t.Fatal(err)
	}
	out, _ := answer(nil, packed, &query{}, zone, true, 0)
	reply := new(dns.Msg)
	if err := reply.Unpack(out); err != nil {
		t.Fatalf("the answer to %s: %v", question.Question[0].String(), err)
	}
	return reply
}

// shown is an answer as text.
func shown(t testing.TB, question, reply *dns.Msg) string {
	t.Helper()
	if reply.Id != question.Id || len(reply.Question) != 1 || reply.Question[0] != question.Question[0] || !reply.Response || reply.RecursionAvailable {
		t.Errorf("asked %s, got a header %v", question.Question[0].String(), reply.MsgHdr)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s -> %s", question.Question[0].Name, dns.TypeToString[question.Question[0].Qtype], dns.RcodeToString[reply.Rcode])
	if reply.Authoritative {
		out.WriteString(" authoritative")
	}
	out.WriteString("\n")
	for _, section := range []struct {
		name    string
		records []dns.RR
	}{{"answer", reply.Answer}, {"authority", reply.Ns}, {"additional", reply.Extra}} {
		for _, record := range section.records {
			text := strings.ReplaceAll(record.String(), "\t", " ")
			if section.name == "authority" {
				text, _, _ = strings.Cut(text, " ns.dns.") // it is always the same, see the-zone-itself
			}
			fmt.Fprintf(&out, "  %s: %s\n", section.name, text)
		}
	}
	return out.String()
}

func (z *zoneInput) source(t testing.TB) Source {
	t.Helper()
	view := &model.View{Members: map[model.MemberName]*model.Member{}}
	for _, one := range z.Members {
		view.Members[one.Name] = &model.Member{Name: one.Name, Network: one.Network, Region: one.Region, Demoted: one.Demoted}
	}
	addresses, different := map[model.ServiceKey][]netip.Addr{}, map[model.ServiceKey]*model.Service{}
	for _, one := range z.Services {
		service := one.service(t)
		different[service.Key], addresses[service.Key] = service, one.Addresses
	}
	view.Services = view.Services.With(different)
	return Source{
		View: view, Complete: !z.Unlisted, From: model.Vantage{Member: z.Member, Network: z.Network, Region: z.Region}, Servers: z.Servers,
		Addresses: func(key model.ServiceKey) []netip.Addr { return addresses[key] },
		Namespace: func(name string) bool { return strings.Contains(" "+strings.Join(z.Namespaces, " ")+" ", " "+name+" ") },
	}
}

func (s *serviceInput) service(t testing.TB) *model.Service {
	t.Helper()
	namespace, name, _ := strings.Cut(s.Name, "/")
	out := &model.Service{Key: model.ServiceKey{Namespace: namespace, Name: name}, Ports: portsOf(t, s.Ports), Traits: model.Traits{Prefer: s.Prefer}}
	if s.Headless {
		out.Type = model.Headless
	}
	for _, from := range s.Backends {
		backend := model.Backend{Member: from.Member, Ports: from.Won, Share: model.Share{Weight: from.Weight, Drained: from.Drained}}
		for _, one := range from.Slices {
			backend.Slices = append(backend.Slices, one.slice(t))
		}
		out.Backends = append(out.Backends, backend)
	}
	return out
}

func (s *sliceInput) slice(t testing.TB) *model.Slice {
	t.Helper()
	out := &model.Slice{Ports: portsOf(t, s.Ports)}
	for i, text := range s.Endpoints {
		words := strings.Fields(text)
		endpoint := model.Endpoint{Addr: netip.MustParseAddr(words[0])}
		for _, word := range words[1:] {
			switch word {
			case "draining":
				endpoint.Health = model.Draining
			case "unready":
				endpoint.Health = model.Unready
			default:
				if out.Hostnames == nil {
					out.Hostnames = make([]string, len(s.Endpoints))
				}
				out.Hostnames[i] = word
			}
		}
		out.Endpoints.Append(endpoint)
	}
	return out
}

func portsOf(t testing.TB, texts []string) []model.Port {
	t.Helper()
	var out []model.Port
	for _, text := range texts {
		name, place, named := strings.Cut(text, " ")
		if !named {
			name, place = "", text
		}
		port, protocol := model.Port{Name: name}, ""
		if _, err := fmt.Sscanf(strings.Replace(place, "/", " ", 1), "%d %s", &port.Number, &protocol); err != nil {
			t.Fatalf("port %q: %v", text, err)
		}
		for one := model.TCP; one <= model.SCTP; one++ {
			if one.String() == protocol {
				port.Protocol = one
			}
		}
		out = append(out, port)
	}
	return out
}
