package eds

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// message is the assignment by the book.
func message(name string, localities []Locality) *endpointv3.ClusterLoadAssignment {
	out := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	for _, of := range localities {
		if len(of.Hosts) == 0 {
			continue
		}
		locality := &endpointv3.LocalityLbEndpoints{
			Locality: &corev3.Locality{Region: of.Region, Zone: of.Zone, SubZone: of.SubZone}, Priority: of.Priority,
		}
		for i, address := range of.Hosts {
			locality.LbEndpoints = append(locality.LbEndpoints, hostMessage(&of, i, address))
		}
		out.Endpoints = append(out.Endpoints, locality)
	}
	return out
}

func hostMessage(of *Locality, i int, address netip.AddrPort) *endpointv3.LbEndpoint {
	endpoint := &endpointv3.Endpoint{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: address.Addr().String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(address.Port())},
	}}}}
	if of.Unchecked {
		endpoint.HealthCheckConfig = &endpointv3.Endpoint_HealthCheckConfig{DisableActiveHealthCheck: true}
	}
	host := &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: endpoint}}
	weight := of.Weight
	if of.Weights != nil {
		weight = of.Weights[i]
	}
	if weight > 0 {
		host.LoadBalancingWeight = wrapperspb.UInt32(weight)
	}
	if of.Gateway != "" {
		host.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
			"envoy.transport_socket_match": {Fields: map[string]*structpb.Value{"gateway": structpb.NewStringValue(of.Gateway)}},
		}}
	}
	return host
}

// TestBytesOfTheLibrary compares with what the protobuf library makes, byte for byte:
// versions are hashes of them, and must be the same in every release.
func TestBytesOfTheLibrary(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddrPort("10.1.2.3:8080"), netip.MustParseAddrPort("[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535")
	long := strings.Repeat("x", 200)
	for name, localities := range map[string][]Locality{
		"nothing":                  nil,
		"a locality without hosts": {{Region: "r"}},
		"no place":                 {{Hosts: []netip.AddrPort{v4}}},
		"one host":                 {{Region: "r", Zone: "z", SubZone: "s", Hosts: []netip.AddrPort{v4}}},
		"the longest address":      {{Hosts: []netip.AddrPort{v6}, Weight: 1 << 31, Unchecked: true, Gateway: long}},
		"many hosts":               {{Region: long, Zone: long, SubZone: long, Hosts: slice(v4, 500), Priority: 300, Unchecked: true}},
		"weights of each":          {{Hosts: slice(v4, 3), Weights: []uint32{1, 0, 1 << 20}, Gateway: "west"}},
		"several places":           {{Zone: "a", Hosts: slice(v4, 2)}, {Zone: "b"}, {Zone: "c", Hosts: slice(v6, 2), Priority: 1, Weight: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same(t, name, localities)
		})
	}
}

func slice(first netip.AddrPort, count int) (out []netip.AddrPort) {
	for address := first.Addr(); len(out) < count; address = address.Prev() {
		out = append(out, netip.AddrPortFrom(address, first.Port()))
	}
	return out
}

func same(t *testing.T, name string, localities []Locality) {
	t.Helper()
	got, wanted := Encode(name, localities), message(name, localities)
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(wanted)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Wire) == string(want) {
		return
	}
	decoded, err := got.Message()
	t.Fatalf("other bytes: %v\n-want +got\n%s", err, cmp.Diff(wanted, decoded, protocmp.Transform()))
}

func TestRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var localities []Locality
		for range r.IntN(4) {
			of := Locality{Region: text(r), Zone: text(r), SubZone: text(r), Priority: uint32(r.IntN(3)), Weight: uint32(r.IntN(300)), Gateway: text(r), Unchecked: r.IntN(2) == 0}
			for range r.IntN(5) {
				var raw [16]byte
				for i := range raw {
					raw[i] = byte(r.IntN(256))
				}
				address := netip.AddrFrom16(raw)
				if r.IntN(2) == 0 {
					address = netip.AddrFrom4([4]byte(raw[:4]))
				}
				of.Hosts = append(of.Hosts, netip.AddrPortFrom(address, uint16(1+r.IntN(65535))))
			}
			localities = append(localities, of)
		}
		same(t, fmt.Sprint("cluster-", seed), localities)
	}
}

func text(r *rand.Rand) string {
	return strings.Repeat("é", r.IntN(3)) + strings.Repeat("z", r.IntN(2)*r.IntN(140))
}

// TestNoUTF8 encodes what no reader would take: the library refuses to.
func TestNoUTF8(t *testing.T) {
	t.Parallel()
	hosts := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:80")}
	made := Encode("a", []Locality{{Region: "r\xff", Zone: "\xc3", SubZone: "s", Gateway: "g\xfe", Hosts: hosts}})
	got, err := made.Message()
	if err != nil {
		t.Fatal(err)
	}
	want := message("a", []Locality{{Region: "r", SubZone: "s", Gateway: "g", Hosts: hosts}})
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	hosts := []Locality{{Hosts: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:80")}}}
	a := Encode("a", hosts)
	if !a.Equal(a) || !a.Equal(Encode("a", hosts)) || a.Equal(Encode("b", hosts)) || a.Equal(Encode("a", nil)) || a.Equal(nil) {
		t.Error("not what both say decides")
	}
}

func BenchmarkEncode(b *testing.B) {
	localities := []Locality{{Region: "r", Zone: "z", SubZone: "east", Hosts: slice(netip.MustParseAddrPort("10.1.200.200:8080"), 1000), Unchecked: true}}
	b.ReportAllocs()
	for b.Loop() {
		Encode("egress|80|service.namespace@0123456789ab", localities)
	}
}
