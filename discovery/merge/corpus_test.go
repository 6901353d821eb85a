package merge

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// offers is the file offers.yaml of a case.
type offers struct {
	Members []struct {
		Name     model.MemberName      `json:"name"`
		State    model.State           `json:"state"`
		Services map[string]offerInput `json:"services"`
	} `json:"members"`
	// Incumbents are members by service.
	Incumbents map[string]model.MemberName `json:"incumbents"`
	Quotas     Quotas                      `json:"quotas"`
}

type offerInput struct {
	// Exported is in seconds after some moment.
	Exported int64  `json:"exported"`
	Type     string `json:"type"`
	// Ports are NAME NUMBER/PROTOCOL [APPPROTOCOL].
	Ports []string `json:"ports"`
	// Endpoints are healths: serving, draining, unready.
	Endpoints []string `json:"endpoints"`
	// Families are IPv4, IPv6; without any there are none.
	Families     []model.Family    `json:"families"`
	ClientIP     int32             `json:"clientIP"`
	Internal     string            `json:"internal"`
	Distribution string            `json:"distribution"`
	Prefer       model.Preference  `json:"prefer"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Incumbent    model.MemberName  `json:"incumbent"`
}

func (o *offerInput) traits() model.Traits {
	return model.Traits{
		ClientIP: o.ClientIP > 0, AffinitySeconds: o.ClientIP, InternalTrafficPolicy: o.Internal,
		TrafficDistribution: o.Distribution, Prefer: o.Prefer, Labels: o.Labels, Annotations: o.Annotations, Families: o.Families,
	}
}

// TestCorpus merges testdata/*.txtar: offers.yaml in, want/view.yaml out.
func TestCorpus(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		view := Merge(nil, inputOf(t, in), nil)
		text, err := yaml.Marshal(shown(view))
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]byte{"view.yaml": text}
	})
}

func inputOf(t *testing.T, in *golden.Case) Input {
	t.Helper()
	text, _ := in.Input("offers.yaml")
	var asked offers
	if err := yaml.UnmarshalStrict(text, &asked); err != nil {
		t.Fatal(err)
	}
	input := Input{Shards: map[model.MemberName]*model.Shard{}, Incumbents: map[model.ServiceKey]model.MemberName{}, Quotas: asked.Quotas}
	for text, incumbent := range asked.Incumbents {
		input.Incumbents[keyOf(text)] = incumbent
	}
	for i, member := range asked.Members {
		shard := &model.Shard{
			Member: &model.Member{Name: member.Name, State: member.State},
		}
		for text, offer := range member.Services {
			key := keyOf(text)
			shard.Services = with(shard.Services, key, offerOf(t, key, offer, byte(i+1)))
		}
		input.Shards[member.Name] = shard
	}
	return input
}

func keyOf(text string) model.ServiceKey {
	namespace, name, _ := strings.Cut(text, "/")
	return model.ServiceKey{Namespace: namespace, Name: name}
}

func offerOf(t *testing.T, key model.ServiceKey, asked offerInput, network byte) *model.Offer {
	t.Helper()
	offer := &model.Offer{Key: key, Exported: time.Unix(asked.Exported, 0).UTC(), Incumbent: asked.Incumbent, Traits: asked.traits()}
	switch asked.Type {
	case "", model.ClusterSetIP.String():
	case model.Headless.String():
		offer.Type = model.Headless
	default:
		t.Fatalf("no type is called %q", asked.Type)
	}
	slice := &model.Slice{Name: "one"}
	for _, text := range asked.Ports {
		port := portOf(t, text)
		offer.Ports = append(offer.Ports, port)
		slice.Ports = append(slice.Ports, model.Port{Name: port.Name, Number: 8080, Protocol: port.Protocol})
	}
	for i, text := range asked.Endpoints {
		health := map[string]model.Health{"serving": model.Serving, "draining": model.Draining, "unready": model.Unready}
		slice.Endpoints.Append(model.Endpoint{
			Addr: netip.AddrFrom4([4]byte{10, network, 0, byte(i + 1)}), Zone: model.NoZone, Health: health[text],
		})
	}
	offer.Slices = []*model.Slice{slice}
	return offer
}

func portOf(t *testing.T, text string) model.Port {
	t.Helper()
	var port model.Port
	words := strings.Fields(text)
	if len(words) > 2 {
		port.AppProtocol = words[2]
	}
	port.Name = words[0]
	number, protocol, _ := strings.Cut(words[1], "/")
	port.Protocol = map[string]model.Protocol{"TCP": model.TCP, "UDP": model.UDP, "SCTP": model.SCTP}[protocol]
	if _, err := fmt.Sscan(number, &port.Number); err != nil {
		t.Fatal(err)
	}
	return port
}

// shown is a view for reading.
func shown(view *model.View) any {
	type backend struct {
		Member    model.MemberName `json:"member"`
		Ports     []string         `json:"ports"`
		Endpoints int              `json:"endpoints"`
	}
	type service struct {
		Type      string             `json:"type"`
		Ports     []string           `json:"ports"`
		Exporters []model.MemberName `json:"exporters"`
		Backends  []backend          `json:"backends"`
		Traits    string             `json:"traits,omitempty"`
		Conflicts []string           `json:"conflicts,omitempty"`
		Cut       string             `json:"cut,omitempty"`
	}
	services := map[string]service{}
	for one := range view.Services.All() {
		out := service{Type: one.Type.String(), Exporters: one.Exporters, Backends: []backend{}}
		if traits := one.Traits; !traits.Equal(model.Traits{}) {
			out.Traits = fmt.Sprintf("families %s, affinity %s %d s, internal %s, distribution %q, prefer %q, labels %v, annotations %v", familyList(traits.Families),
				affinity(traits), traits.AffinitySeconds, internal(traits), traits.TrafficDistribution, traits.Prefer, traits.Labels, traits.Annotations)
		}
		for _, port := range one.Ports {
			out.Ports = append(out.Ports, strings.TrimSpace(fmt.Sprintf("%s %d/%s %s", port.Name, port.Number, port.Protocol, port.AppProtocol)))
		}
		for _, from := range one.Backends {
			endpoints := 0
			for _, slice := range from.Slices {
				endpoints += slice.Endpoints.Len()
			}
			out.Backends = append(out.Backends, backend{Member: from.Member, Ports: from.Ports, Endpoints: endpoints})
		}
		for _, conflict := range one.Conflicts {
			out.Conflicts = append(out.Conflicts, fmt.Sprintf("%s, lost by %s: %s", conflict.Reason, conflict.Losers, conflict.Message))
		}
		if !one.Cut.Equal(model.Cut{}) {
			out.Cut = fmt.Sprintf("exporters %v, %d ports, %d endpoints", one.Cut.Exporters, one.Cut.Ports, one.Cut.Endpoints)
		}
		services[one.Key.String()] = out
	}
	return map[string]any{"members": sortedKeys(view.Members), "services": services}
}
