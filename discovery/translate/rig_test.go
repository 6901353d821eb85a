package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unique"

	"github.com/eastwest-mesh/eastwest/internal/eds"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// scene is a view, who looks at it, and the options, as a case writes them down.
type scene struct {
	Members  []memberInput    `json:"members"`
	Services []serviceInput   `json:"services"`
	From     model.MemberName `json:"from"`
	// Listeners are ports of the gateway by NAMESPACE/NAME:PORT.
	Listeners map[string]uint16   `json:"listeners"`
	Clients   map[string][]string `json:"clients"`
	// Prefer is for services that have none of their own.
	Prefer   model.Preference `json:"prefer"`
	EndToEnd []string         `json:"endToEnd"`
	Bind     string           `json:"bind"`
	// Only are substrings of names of resources that the case is about; none: all.
	Only []string `json:"only"`
}

type memberInput struct {
	Name     model.MemberName `json:"name"`
	Network  model.NetworkID  `json:"network"`
	Region   string           `json:"region"`
	Identity string           `json:"identity"` // "-": none; empty: the usual one
	Gateways []string         `json:"gateways"`
	Demoted  bool             `json:"demoted"`
}

type serviceInput struct {
	Name      string             `json:"name"`
	Ports     []string           `json:"ports"` // NAME NUMBER/PROTOCOL [APPPROTOCOL]
	Exporters []model.MemberName `json:"exporters"`
	Prefer    model.Preference   `json:"prefer"`
	ClientIP  bool               `json:"clientIP"`
	Backends  []backendInput     `json:"backends"`
}

type backendInput struct {
	Weight  uint32           `json:"weight"`
	Drained bool             `json:"drained"`
	Member  model.MemberName `json:"member"`
	Ports   []string         `json:"ports"` // NAME TARGET; the first word is a port's name
	// Endpoints are ADDRESS[ ZONE[ HEALTH]].
	Endpoints []string `json:"endpoints"`
}

const domain = "mesh.example"

func (s scene) build(t testing.TB) (*model.View, model.Vantage, Options) {
	t.Helper()
	view := &model.View{Members: map[model.MemberName]*model.Member{}}
	for _, one := range s.Members {
		member := &model.Member{Name: one.Name, Network: one.Network, Region: one.Region, Identity: one.Identity, Demoted: one.Demoted}
		switch one.Identity {
		case "":
			member.Identity = identityOf(string(one.Name))
		case "-":
			member.Identity = ""
		}
		for _, text := range one.Gateways {
			member.Gateways = append(member.Gateways, hostPort(t, text))
		}
		view.Members[one.Name] = member
	}
	services := map[model.ServiceKey]*model.Service{}
	for _, one := range s.Services {
		service := serviceOf(t, one)
		services[service.Key] = service
	}
	view.Services = view.Services.With(services)
	from := model.Vantage{Member: s.From}
	if own := view.Members[s.From]; own != nil {
		from.Network, from.Region = own.Network, own.Region
	}
	return view, from, s.options(t)
}

func (s scene) options(t testing.TB) Options {
	t.Helper()
	options := Options{
		TrustDomain: domain, Roots: []byte("roots"), Listeners: map[model.PortKey]uint16{}, Clients: map[model.ServiceKey][]string{},
		Prefer: s.Prefer, EndToEnd: map[model.PortKey]bool{},
	}
	for text, port := range s.Listeners {
		options.Listeners[portKey(t, text)] = port
	}
	for text, identities := range s.Clients {
		options.Clients[serviceKey(text)] = identities
	}
	for _, text := range s.EndToEnd {
		options.EndToEnd[portKey(t, text)] = true
	}
	if s.Bind != "" {
		options.Bind = netip.MustParseAddr(s.Bind)
	}
	return options
}

func serviceOf(t testing.TB, asked serviceInput) *model.Service {
	t.Helper()
	service := &model.Service{Key: serviceKey(asked.Name), Exporters: asked.Exporters, Traits: model.Traits{Prefer: asked.Prefer, ClientIP: asked.ClientIP}}
	for _, text := range asked.Ports {
		service.Ports = append(service.Ports, portOf(t, text))
	}
	for _, one := range asked.Backends {
		backend := model.Backend{Member: one.Member, Share: model.Share{Weight: one.Weight, Drained: one.Drained}}
		slice := &model.Slice{Name: "one"}
		for _, text := range one.Ports {
			name, target, _ := strings.Cut(text, " ")
			backend.Ports = append(backend.Ports, name)
			slice.Ports = append(slice.Ports, portOf(t, name+" "+target+"/TCP"))
		}
		for _, text := range one.Endpoints {
			slice.Endpoints.Append(endpointOf(text))
		}
		backend.Slices = []*model.Slice{slice}
		service.Backends = append(service.Backends, backend)
	}
	return service
}

func endpointOf(text string) model.Endpoint {
	words := append(strings.Fields(text), "", "")
	health := map[string]model.Health{"draining": model.Draining, "unready": model.Unready}
	return model.Endpoint{Addr: netip.MustParseAddr(words[0]), Zone: unique.Make(words[1]), Health: health[words[2]]}
}

func serviceKey(text string) model.ServiceKey {
	namespace, name, _ := strings.Cut(text, "/")
	return model.ServiceKey{Namespace: namespace, Name: name}
}

func portKey(t testing.TB, text string) model.PortKey {
	t.Helper()
	service, number, _ := strings.Cut(text, ":")
	return model.PortKey{Service: serviceKey(service), Number: numberOf(t, number)}
}

func portOf(t testing.TB, text string) model.Port {
	t.Helper()
	words := append(strings.Fields(text), "")
	number, protocol, _ := strings.Cut(words[1], "/")
	return model.Port{
		Name: words[0], Number: numberOf(t, number), AppProtocol: words[2],
		Protocol: map[string]model.Protocol{"TCP": model.TCP, "UDP": model.UDP, "SCTP": model.SCTP}[protocol],
	}
}

func hostPort(t testing.TB, text string) model.HostPort {
	t.Helper()
	at := strings.LastIndex(text, ":")
	return model.HostPort{Host: strings.Trim(text[:at], "[]"), Port: numberOf(t, text[at+1:])}
}

func numberOf(t testing.TB, text string) uint16 {
	t.Helper()
	var number uint16
	if _, err := fmt.Sscan(text, &number); err != nil {
		t.Fatalf("%q is no port: %v", text, err)
	}
	return number
}

// checkValid holds of every set: each message is valid down to the configurations
// of extensions, names are unique, and what refers to something finds it.
func checkValid(t testing.TB, set Set) {
	t.Helper()
	assigned, clusters := map[string]bool{}, map[string]bool{}
	for _, one := range decoded(t, set.Endpoints) {
		validate(t, one)
		if assigned[one.ClusterName] {
			t.Errorf("two assignments are called %s", one.ClusterName)
		}
		assigned[one.ClusterName] = true
		checkPriorities(t, one)
	}
	for _, one := range set.Clusters {
		validate(t, one)
		name := one.EdsClusterConfig.ServiceName
		if !strings.HasPrefix(name, one.Name+"@") || !assigned[name] {
			t.Errorf("cluster %s has no assignment %s", one.Name, name)
		}
		if clusters[one.Name] {
			t.Errorf("two clusters are called %s", one.Name)
		}
		clusters[one.Name] = true
	}
	if len(assigned) != len(clusters) {
		t.Errorf("%d clusters have %d assignments", len(clusters), len(assigned))
	}
	secrets := map[string]bool{OwnSecret: true, RootsSecret: true}
	for _, one := range set.Secrets {
		validate(t, one)
		secrets[one.Name] = true
		if len(one.GetValidationContext().MatchTypedSubjectAltNames) == 0 {
			t.Errorf("secret %s lets anybody in", one.Name)
		}
	}
	for _, one := range set.Listeners {
		validate(t, one)
		eachAny(one, func(inner proto.Message) {
			if to, names := clusterField(inner); names && to != "none" && !clusters[to] {
				t.Errorf("listener %s leads to %s, which is missing", one.Name, to)
			}
			if asked, is := inner.(*tlsv3.SdsSecretConfig); is && !secrets[asked.Name] {
				t.Errorf("listener %s asks for secret %s, which is missing", one.Name, asked.Name)
			}
		})
	}
}

// clusterField is the cluster that a message names.
func clusterField(message proto.Message) (string, bool) {
	field := message.ProtoReflect().Descriptor().Fields().ByName("cluster")
	if field == nil || field.Kind() != protoreflect.StringKind || !message.ProtoReflect().Has(field) {
		return "", false
	}
	return message.ProtoReflect().Get(field).String(), true
}

// decoded are assignments as messages.
func decoded(t testing.TB, all []*eds.Assignment) []*endpointv3.ClusterLoadAssignment {
	t.Helper()
	out := make([]*endpointv3.ClusterLoadAssignment, len(all))
	for i, one := range all {
		message, err := one.Message()
		if err != nil || message.GetClusterName() != one.Name {
			t.Fatalf("assignment %s: %v, %v", one.Name, message, err)
		}
		out[i] = message
	}
	return out
}

func checkPriorities(t testing.TB, load *endpointv3.ClusterLoadAssignment) {
	t.Helper()
	var next uint32
	for _, locality := range load.Endpoints {
		if locality.Priority > next || len(locality.LbEndpoints) == 0 {
			t.Errorf("%s: priority %d with %d endpoints comes where %d is next", load.ClusterName, locality.Priority, len(locality.LbEndpoints), next)
		}
		next = max(next, locality.Priority+1)
	}
}

func validate(t testing.TB, message proto.Message) {
	t.Helper()
	check := func(one proto.Message) {
		if err := one.(interface{ ValidateAll() error }).ValidateAll(); err != nil {
			t.Errorf("%s is not valid: %v", one.ProtoReflect().Descriptor().FullName(), err)
		}
	}
	check(message)
	eachAny(message, func(inner proto.Message) {
		if _, checks := inner.(interface{ ValidateAll() error }); checks {
			check(inner)
		}
	})
}

// eachAny visits all messages in a message, those within Any too.
func eachAny(message proto.Message, visit func(proto.Message)) {
	var walk func(protoreflect.Message)
	walk = func(in protoreflect.Message) {
		if packed, isAny := in.Interface().(*anypb.Any); isAny {
			inner, err := packed.UnmarshalNew()
			if err != nil {
				panic(err)
			}
			in = inner.ProtoReflect()
		}
		visit(in.Interface())
		in.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			switch {
			case field.IsMap():
				if field.MapValue().Message() != nil {
					value.Map().Range(func(_ protoreflect.MapKey, one protoreflect.Value) bool { walk(one.Message()); return true })
				}
			case field.Message() == nil:
			case field.IsList():
				for i := range value.List().Len() {
					walk(value.List().Get(i).Message())
				}
			default:
				walk(value.Message())
			}
			return true
		})
	}
	walk(message.ProtoReflect())
}

// find returns the resource whose name has a prefix.
func findCluster(t testing.TB, set Set, name string) *clusterv3.Cluster {
	t.Helper()
	at := slices.IndexFunc(set.Clusters, func(one *clusterv3.Cluster) bool { return one.Name == name })
	if at < 0 {
		t.Fatalf("there is no cluster %s", name)
	}
	return set.Clusters[at]
}

func findListener(t testing.TB, set Set, name string) *listenerv3.Listener {
	t.Helper()
	at := slices.IndexFunc(set.Listeners, func(one *listenerv3.Listener) bool { return one.Name == name })
	if at < 0 {
		t.Fatalf("there is no listener %s", name)
	}
	return set.Listeners[at]
}
