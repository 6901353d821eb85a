package translate

import (
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// usual is a scene with every kind of resource.
func usual(t testing.TB) (*model.View, model.Vantage, Options) {
	t.Helper()
	asked := scene{From: "east", Listeners: map[string]uint16{"sample/db:5432": 20000, "sample/web:80": 20001}}
	asked.Clients = map[string][]string{"sample/secret": {identityOf("west")}, "sample/closed": {identityOf("nobody")}}
	asked.Members = append(asked.Members, memberInput{Name: "east", Network: "east"})
	asked.Members = append(asked.Members, memberInput{Name: "west", Network: "west", Gateways: []string{"192.0.2.2:15443"}})
	asked.Members = append(asked.Members, memberInput{Name: "north", Network: "north", Gateways: []string{"192.0.2.3:15443"}})
	for name, port := range map[string]string{
		"sample/db": "sql 5432/TCP", "sample/web": "http 80/TCP", "sample/secret": "sql 1/TCP", "sample/closed": "sql 2/TCP",
	} {
		word, _, _ := strings.Cut(port, " ")
		asked.Services = append(asked.Services, serviceInput{
			Name: name, Ports: []string{port}, Exporters: []model.MemberName{"east", "west"},
			Backends: []backendInput{
				{Member: "east", Ports: []string{word + " 8080"}, Endpoints: []string{"10.1.0.1"}},
				{Member: "west", Ports: []string{word + " 8080"}, Endpoints: []string{"10.1.0.1", "10.1.0.2"}},
			},
		})
	}
	return asked.build(t)
}

func identityOf(member string) string {
	return "spiffe://" + domain + "/ns/eastwest-system/sa/gateway-" + member
}

// TestTraps holds every gateway to what cures Envoy's defaults that are wrong for
// one that faces others (docs: the data plane).
func TestTraps(t *testing.T) {
	t.Parallel()
	view, from, options := usual(t)
	set := Gateway(view, from, options)
	checkValid(t, set)
	inbound := findListener(t, set, InboundListener)
	for name, check := range map[string]func(t *testing.T){
		"no pod is connected to before the handshake":           func(t *testing.T) { noEarlyConnect(t, inbound) },
		"an SNI reaches inbound clusters only":                  func(t *testing.T) { onlyInboundNames(t, set, inbound) },
		"no filter judges after the connection is made":         func(t *testing.T) { noRBAC(t, inbound) },
		"checks of gateways prove more than a handshake":        func(t *testing.T) { noTCPChecks(t, set) },
		"an assignment's name changes with its cluster":         func(t *testing.T) { namesFollowContent(t, view, from, options) },
		"removed endpoints are gone at once":                    func(t *testing.T) { removedAtOnce(t, set) },
		"nothing is sent in clear to a gateway":                 func(t *testing.T) { gatewaysHaveTLS(t, set) },
		"a member that joins changes no chain":                  func(t *testing.T) { joiningKeepsChains(t, view, from, options, inbound) },
		"what comes and goes with endpoints is endpoints alone": func(t *testing.T) { endpointsAlone(t, view, from, options, set) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

func noEarlyConnect(t *testing.T, inbound *listenerv3.Listener) {
	proxies := 0
	eachAny(inbound, func(inner proto.Message) {
		if proxy, is := inner.(*tcpv3.TcpProxy); is {
			proxies++
			if proxy.UpstreamConnectMode != tcpv3.UpstreamConnectMode_ON_DOWNSTREAM_TLS_HANDSHAKE || proxy.MaxEarlyDataBytes.GetValue() != 0 || proxy.MaxEarlyDataBytes == nil {
				t.Errorf("connects too early: %v", proxy)
			}
		}
		if context, is := inner.(*tlsv3.DownstreamTlsContext); is && !context.RequireClientCertificate.GetValue() {
			t.Error("a chain wants no certificate")
		}
	})
	if proxies != 2 {
		t.Errorf("got %d chains of bytes, want 2", proxies)
	}
}

func onlyInboundNames(t *testing.T, set Set, inbound *listenerv3.Listener) {
	for _, one := range set.Clusters {
		peersMayAsk := strings.HasSuffix(one.Name, suffix)
		if isInbound := strings.HasPrefix(one.Name, "outbound_."); peersMayAsk != isInbound || isInbound == strings.Contains(one.Name, "|") {
			t.Errorf("%s could be taken for what it is not", one.Name)
		}
		if one.Name != strings.ToLower(one.Name) {
			t.Errorf("%s has capitals, an SNI never has", one.Name)
		}
	}
	for _, chain := range inbound.FilterChains {
		if names := chain.FilterChainMatch.ServerNames; len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return !strings.HasSuffix(name, suffix) }) {
			t.Errorf("chain %s takes any name: %v", chain.Name, names)
		}
	}
}

func noRBAC(t *testing.T, inbound *listenerv3.Listener) {
	eachAny(inbound, func(inner proto.Message) {
		if _, is := inner.(*rbacv3.RBAC); is {
			t.Error("RBAC judges on the first byte, when the pod has greeted already")
		}
	})
}

func noTCPChecks(t *testing.T, set Set) {
	for _, one := range set.Clusters {
		for _, check := range one.HealthChecks {
			if check.GetHttpHealthCheck() == nil || !slices.Equal(check.TlsOptions.AlpnProtocols, []string{alpnCheck}) {
				t.Errorf("%s is checked by %v", one.Name, check)
			}
		}
		toGateways := len(one.TransportSocketMatches) > 0
		if toGateways != (len(one.HealthChecks) > 0) {
			t.Errorf("%s leads to gateways: %v, is checked: %v", one.Name, toGateways, !toGateways)
		}
	}
	for _, load := range decoded(t, set.Endpoints) {
		for _, locality := range load.Endpoints {
			for _, one := range locality.LbEndpoints {
				viaGateway := one.Metadata != nil
				exempt := one.GetEndpoint().HealthCheckConfig.GetDisableActiveHealthCheck()
				if inbound := strings.HasPrefix(load.ClusterName, "outbound_."); !inbound && viaGateway == exempt {
					t.Errorf("%s: endpoint %v: via a gateway %v, exempt from checks %v", load.ClusterName, one, viaGateway, exempt)
				}
			}
		}
	}
}

func namesFollowContent(t *testing.T, view *model.View, from model.Vantage, options Options) {
	key := model.PortKey{Service: serviceKey("sample/db"), Number: 5432}
	name := func(options Options) string {
		return findCluster(t, Service(view, view.Services.Get(key.Service), from, options), EgressName(key)).EdsClusterConfig.ServiceName
	}
	before := name(options)
	if name(options) != before {
		t.Error("the same cluster has another name")
	}
	options.EndToEnd = map[model.PortKey]bool{key: true}
	if name(options) == before {
		t.Error("another cluster has the same name")
	}
}

func removedAtOnce(t *testing.T, set Set) {
	for _, one := range set.Clusters {
		if !one.IgnoreHealthOnHostRemoval {
			t.Errorf("%s keeps endpoints that were removed", one.Name)
		}
	}
}

func gatewaysHaveTLS(t *testing.T, set Set) {
	for _, one := range set.Clusters {
		for _, match := range one.TransportSocketMatches {
			if match.Name == "raw" {
				continue
			}
			context := unpack[*tlsv3.UpstreamTlsContext](t, match.TransportSocket)
			names := context.CommonTlsContext.GetCombinedValidationContext().DefaultValidationContext.MatchTypedSubjectAltNames
			if want := identityOf(strings.TrimPrefix(match.Name, "gateway-")); len(names) != 1 || names[0].Matcher.GetExact() != want {
				t.Errorf("%s: %s trusts %v, want %s alone", one.Name, match.Name, names, want)
			}
		}
	}
	for _, load := range decoded(t, set.Endpoints) {
		cluster := set.Clusters[slices.IndexFunc(set.Clusters, func(one *clusterv3.Cluster) bool {
			return one.EdsClusterConfig.ServiceName == load.ClusterName
		})]
		for _, locality := range load.Endpoints {
			for _, one := range locality.LbEndpoints {
				via := one.Metadata.GetFilterMetadata()["envoy.transport_socket_match"]
				if via != nil && !slices.ContainsFunc(cluster.TransportSocketMatches, func(match *clusterv3.Cluster_TransportSocketMatch) bool {
					return proto.Equal(match.Match, via)
				}) {
					t.Errorf("%s: nothing matches %v", load.ClusterName, via)
				}
			}
		}
	}
}

func joiningKeepsChains(t *testing.T, view *model.View, from model.Vantage, options Options, inbound *listenerv3.Listener) {
	joined := &model.View{Services: view.Services, Members: map[model.MemberName]*model.Member{
		"south": {Name: "south", Network: "south", Identity: identityOf("south")},
	}}
	for name, member := range view.Members {
		joined.Members[name] = member
	}
	set := Inbound(joined, from, options)
	if !proto.Equal(inbound, findListener(t, set, InboundListener)) {
		t.Error("the listener changed, which cuts what is open")
	}
	at := slices.IndexFunc(set.Secrets, func(one *tlsv3.Secret) bool { return one.Name == ClientsSecret })
	if names := set.Secrets[at].GetValidationContext().MatchTypedSubjectAltNames; len(names) != 3 {
		t.Errorf("got %d identities, want those of north, south and west", len(names))
	}
}

func endpointsAlone(t *testing.T, view *model.View, from model.Vantage, options Options, before Set) {
	services := map[model.ServiceKey]*model.Service{}
	for service := range view.Services.All() {
		withdrawn := *service
		withdrawn.Backends = nil
		services[service.Key] = &withdrawn
	}
	empty := &model.View{Members: view.Members, Services: view.Services.With(services)}
	after := Gateway(empty, from, options)
	checkValid(t, after)
	if !slices.EqualFunc(before.Clusters, after.Clusters, func(a, b *clusterv3.Cluster) bool { return proto.Equal(a, b) }) {
		t.Error("clusters changed")
	}
	if !slices.EqualFunc(before.Listeners, after.Listeners, func(a, b *listenerv3.Listener) bool { return proto.Equal(a, b) }) {
		t.Error("listeners changed")
	}
}

func unpack[M proto.Message](t testing.TB, socket *corev3.TransportSocket) M {
	t.Helper()
	message, err := socket.GetTypedConfig().UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	return message.(M)
}

// TestRestrictedServices have chains of their own, all three, and are open to
// nobody else; those whose clients are all gone are closed.
func TestRestrictedServices(t *testing.T) {
	t.Parallel()
	view, from, options := usual(t)
	set := Gateway(view, from, options)
	got := map[string]string{}
	for _, chain := range findListener(t, set, InboundListener).FilterChains {
		context := unpack[*tlsv3.DownstreamTlsContext](t, chain.TransportSocket)
		got[chain.Name] = strings.Join(chain.FilterChainMatch.ServerNames, ",") + " " + context.CommonTlsContext.GetValidationContextSdsSecretConfig().Name
	}
	want := map[string]string{}
	for _, kind := range []string{" tcp", " mesh-h2", " mesh-hc"} {
		want["open"+kind] = "*.svc.cluster.local clients"
		want["sample/secret"+kind] = "outbound_.1_._.secret.sample.svc.cluster.local clients|sample/secret"
	}
	diff(t, want, got)
	admitted := map[string][]string{}
	for _, secret := range set.Secrets {
		for _, name := range secret.GetValidationContext().MatchTypedSubjectAltNames {
			admitted[secret.Name] = append(admitted[secret.Name], name.Matcher.GetExact())
		}
	}
	diff(t, map[string][]string{
		"clients": {identityOf("north"), identityOf("west")}, "clients|sample/secret": {identityOf("west")},
	}, admitted)
	if slices.ContainsFunc(set.Clusters, func(one *clusterv3.Cluster) bool { return strings.Contains(one.Name, "outbound_.2_._.closed") }) {
		t.Error("a service that admits nobody can be reached")
	}
}
