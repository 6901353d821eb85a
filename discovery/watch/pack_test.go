package watch

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

func pointer[T any](value T) *T { return &value }

var anywhere = &policy{}

// reasons are those of an object's drops.
func reasons(one object) []string {
	var all []string
	for _, drop := range one.drops {
		all = append(all, drop.Reason)
	}
	return all
}

func TestPackEndpoints(t *testing.T) {
	t.Parallel()
	declared := &policy{pods: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64")}}
	for name, tc := range map[string]struct {
		family  discoveryv1.AddressType
		policy  *policy
		address string
		reason  string // empty: it is kept
	}{
		"IPv4":                               {"IPv4", anywhere, "10.1.2.3", ""},
		"IPv6":                               {"IPv6", anywhere, "fd00::1", ""},
		"in the pod CIDRs":                   {"IPv4", declared, "10.1.2.3", ""},
		"IPv6 in the pod CIDRs":              {"IPv6", declared, "fd00::1", ""},
		"outside the pod CIDRs":              {"IPv4", declared, "10.2.2.3", DropOutside},
		"IPv6 said to be IPv4":               {"IPv4", anywhere, "fd00::1", DropAddress},
		"IPv4 said to be IPv6":               {"IPv6", anywhere, "10.1.2.3", DropAddress},
		"IPv4 mapped into IPv6":              {"IPv6", anywhere, "::ffff:10.1.2.3", DropAddress},
		"leading zeros":                      {"IPv4", anywhere, "010.1.2.3", DropAddress},
		"a zone":                             {"IPv6", anywhere, "fe80::1%eth0", DropAddress},
		"a name":                             {"IPv4", anywhere, "example.com", DropAddress},
		"nothing":                            {"IPv4", anywhere, "", DropAddress},
		"loopback":                           {"IPv4", anywhere, "127.0.0.1", DropDenied},
		"loopback of IPv6":                   {"IPv6", anywhere, "::1", DropDenied},
		"the metadata server":                {"IPv4", anywhere, "169.254.169.254", DropDenied},
		"link-local of IPv6":                 {"IPv6", anywhere, "fe80::1", DropDenied},
		"multicast":                          {"IPv4", anywhere, "224.0.0.1", DropDenied},
		"multicast of IPv6":                  {"IPv6", anywhere, "ff02::1", DropDenied},
		"unspecified":                        {"IPv4", anywhere, "0.0.0.0", DropDenied},
		"broadcast":                          {"IPv4", anywhere, "255.255.255.255", DropDenied},
		"loopback, even declared by mistake": {"IPv4", &policy{pods: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, "127.0.0.1", DropDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slice := kubeSlice("shop", "cart-1", "cart", 1)
			slice.AddressType, slice.Endpoints[0].Addresses = tc.family, []string{tc.address}
			got := packSlice(slice, tc.policy)
			if tc.reason == "" {
				if got.slice.Endpoints.Len() != 1 || got.slice.Endpoints.At(0).Addr.String() != tc.address || len(got.drops) != 0 {
					t.Errorf("got %+v, drops %+v", got.slice, got.drops)
				}
			} else if diff := cmp.Diff([]string{tc.reason}, reasons(got)); diff != "" || got.slice.Endpoints.Len() != 0 {
				t.Errorf("got %+v (-want +got)\n%s", got.slice, diff)
			}
		})
	}
}

func TestPackSlices(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change  func(*discoveryv1.EndpointSlice)
		ports   []model.Port
		reasons []string
	}{
		"a usual one":         {func(*discoveryv1.EndpointSlice) {}, []model.Port{{Name: "http", Number: 8080}}, nil},
		"nil ports":           {func(s *discoveryv1.EndpointSlice) { s.Ports = nil }, nil, []string{DropNoPorts}},
		"a port of no number": {func(s *discoveryv1.EndpointSlice) { s.Ports[0].Port = nil }, nil, []string{DropPort}},
		"port 0":              {func(s *discoveryv1.EndpointSlice) { s.Ports[0].Port = pointer(int32(0)) }, nil, []string{DropPort}},
		"port 70000":          {func(s *discoveryv1.EndpointSlice) { s.Ports[0].Port = pointer(int32(70000)) }, nil, []string{DropPort}},
		"a port of no name":   {func(s *discoveryv1.EndpointSlice) { s.Ports[0].Name = nil }, []model.Port{{Number: 8080}}, nil},
		"a hostile port name": {func(s *discoveryv1.EndpointSlice) { s.Ports[0].Name = pointer("a._.b") }, nil, []string{DropPort}},
		"one good port of two": {func(s *discoveryv1.EndpointSlice) {
			s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: pointer("dns"), Port: pointer(int32(53)), Protocol: pointer(corev1.ProtocolUDP)}, discoveryv1.EndpointPort{Name: pointer("x")})
		}, []model.Port{{Name: "http", Number: 8080}, {Name: "dns", Number: 53, Protocol: model.UDP}}, []string{DropPort}},
		"an unknown protocol":            {func(s *discoveryv1.EndpointSlice) { s.Ports[0].Protocol = pointer(corev1.Protocol("QUIC")) }, nil, []string{DropPort}},
		"names instead of IPs":           {func(s *discoveryv1.EndpointSlice) { s.AddressType = discoveryv1.AddressTypeFQDN }, nil, []string{DropFamily}},
		"no service":                     {func(s *discoveryv1.EndpointSlice) { s.Labels = nil }, nil, nil},
		"a hostile service":              {func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelServiceName] = "a.b" }, nil, []string{DropName}},
		"imported from elsewhere":        {func(s *discoveryv1.EndpointSlice) { s.Labels[labelSourceCluster] = "" }, nil, []string{DropDerived}},
		"derived by us":                  {func(s *discoveryv1.EndpointSlice) { s.Labels[v1alpha1.LabelDerived] = "true" }, nil, []string{DropDerived}},
		"managed by us":                  {func(s *discoveryv1.EndpointSlice) { s.Labels[discoveryv1.LabelManagedBy] = v1alpha1.ManagedByAgent }, nil, []string{DropDerived}},
		"an endpoint of no address":      {func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = nil }, []model.Port{{Name: "http", Number: 8080}}, []string{DropAddress}},
		"an application protocol":        {func(s *discoveryv1.EndpointSlice) { s.Ports[0].AppProtocol = pointer("kubernetes.io/h2c") }, []model.Port{{Name: "http", AppProtocol: "kubernetes.io/h2c", Number: 8080}}, nil},
		"a hostile application protocol": {func(s *discoveryv1.EndpointSlice) { s.Ports[0].AppProtocol = pointer("a\nb") }, []model.Port{{Name: "http", Number: 8080}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slice := kubeSlice("shop", "cart-1", "cart", 1)
			tc.change(slice)
			got := packSlice(slice, anywhere)
			if (got.slice == nil) != (tc.ports == nil) {
				t.Fatalf("got %+v", got.slice)
			}
			if got.slice != nil {
				if diff := cmp.Diff(tc.ports, got.slice.Ports); diff != "" {
					t.Errorf("ports (-want +got)\n%s", diff)
				}
			}
			if diff := cmp.Diff(tc.reasons, reasons(got)); diff != "" {
				t.Errorf("reasons (-want +got)\n%s", diff)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	yes, no := pointer(true), pointer(false)
	for name, tc := range map[string]struct {
		conditions discoveryv1.EndpointConditions
		want       model.Health
	}{
		"nothing said means ready":      {discoveryv1.EndpointConditions{}, model.Serving},
		"ready":                         {discoveryv1.EndpointConditions{Ready: yes, Serving: yes}, model.Serving},
		"not ready":                     {discoveryv1.EndpointConditions{Ready: no, Serving: no}, model.Unready},
		"terminating and serving":       {discoveryv1.EndpointConditions{Ready: no, Serving: yes, Terminating: yes}, model.Draining},
		"terminating":                   {discoveryv1.EndpointConditions{Ready: no, Serving: no, Terminating: yes}, model.Unready},
		"terminating, serving not said": {discoveryv1.EndpointConditions{Ready: no, Terminating: yes}, model.Unready},
		"published though not ready":    {discoveryv1.EndpointConditions{Ready: yes, Terminating: yes}, model.Serving},
		"serving, but not ready":        {discoveryv1.EndpointConditions{Ready: no, Serving: yes}, model.Unready},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := health(&tc.conditions); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPackServices(t *testing.T) {
	t.Parallel()
	created := time.Unix(1000, 0).UTC()
	for name, tc := range map[string]struct {
		change  func(*corev1.Service)
		want    *service
		reasons []string
	}{
		"a usual one": {func(*corev1.Service) {}, &service{created: created, ports: []model.Port{{Name: "http", Number: 80}}}, nil},
		"headless":    {func(s *corev1.Service) { s.Spec.ClusterIP = "None" }, &service{kind: model.Headless, created: created, ports: []model.Port{{Name: "http", Number: 80}}}, nil},
		"no ports":    {func(s *corev1.Service) { s.Spec.Ports = nil }, &service{created: created}, nil},
		"two of one name": {
			func(s *corev1.Service) {
				s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "http", Port: 81})
			},
			&service{created: created, ports: []model.Port{{Name: "http", Number: 80}}},
			[]string{DropDuplicate},
		},
		"one number of two protocols": {
			func(s *corev1.Service) {
				s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "h3", Port: 80, Protocol: corev1.ProtocolUDP})
			},
			&service{created: created, ports: []model.Port{{Name: "http", Number: 80}, {Name: "h3", Number: 80, Protocol: model.UDP}}}, nil,
		},
		"an invalid number": {func(s *corev1.Service) { s.Spec.Ports[0].Port = 70000 }, &service{created: created}, []string{DropPort}},
		"an ExternalName":   {func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName }, &service{external: true}, []string{DropServiceType}},
		"a derived one":     {func(s *corev1.Service) { s.Labels = map[string]string{v1alpha1.LabelDerived: "true"} }, nil, []string{DropDerived}},
		"a hostile name":    {func(s *corev1.Service) { s.Name = "a.b" }, nil, []string{DropName}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := kubeService("shop", "cart")
			tc.change(from)
			got := packService(from)
			if diff := cmp.Diff(tc.want, got.service, cmp.AllowUnexported(service{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tc.reasons, reasons(got)); diff != "" {
				t.Errorf("reasons (-want +got)\n%s", diff)
			}
		})
	}
	many := kubeService("shop", "cart")
	for i := range 60 {
		many.Spec.Ports = append(many.Spec.Ports, corev1.ServicePort{Name: "p" + strings.Repeat("x", i+1), Port: int32(1000 + i)})
	}
	if got := packService(many).service; len(got.ports) != 61 || got.excess != 61 {
		t.Errorf("got %d ports, excess %d", len(got.ports), got.excess)
	}
}

func TestDropsAreBounded(t *testing.T) {
	t.Parallel()
	slice := kubeSlice("shop", "cart-1", "cart", 100)
	for i := range slice.Endpoints {
		slice.Endpoints[i].Addresses = []string{strings.Repeat("x", 1000)}
	}
	got := packSlice(slice, anywhere)
	if len(got.drops) != maxDrops+1 || !strings.Contains(got.drops[maxDrops].Detail, "92 more") {
		t.Errorf("got %d drops, the last %+v", len(got.drops), got.drops[len(got.drops)-1])
	}
	if len(got.drops[0].Detail) > 100 {
		t.Errorf("a detail of %d bytes", len(got.drops[0].Detail))
	}
}

// FuzzSlice holds whatever a server may send to the rules on what passes.
func FuzzSlice(f *testing.F) {
	for _, seed := range []*discoveryv1.EndpointSlice{kubeSlice("shop", "cart-1", "cart", 3), kubeSlice("a", "b", "c", 0), {}} {
		f.Add(fakeapi.Envelope("EndpointSlice", seed))
	}
	declared := &policy{pods: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	resource := watched(declared)[ofSlices]
	f.Fuzz(func(t *testing.T, raw []byte) {
		decoded, err := resource.decode(raw)
		if err != nil {
			return
		}
		var full discoveryv1.EndpointSlice
		if decodeUnknown(raw, "EndpointSlice", &full) == nil {
			sameSlice(t, &full, decoded.(*leanSlice))
		}
		got := resource.pack(decoded)
		if len(got.drops) > maxDrops+1 {
			t.Errorf("%d drops", len(got.drops))
		}
		if got.slice == nil {
			return
		}
		if !validNames(got.key) {
			t.Errorf("name %q", got.key)
		}
		for _, port := range got.slice.Ports {
			if port.Number == 0 || strings.ContainsAny(port.Name, "._*\n") {
				t.Errorf("port %+v", port)
			}
		}
		for _, one := range got.slice.Endpoints.All() {
			if !model.Elsewhere(one.Addr) || !model.Within(declared.pods, one.Addr) {
				t.Errorf("endpoint %+v", one)
			}
		}
		table := newTable()
		table.put(ofSlices, got)
		table.put(ofSlices, got)
		table.remove(ofSlices, got.id)
		if table.bytes != 0 || len(table.owners) != 0 || len(table.endpoints) != 0 {
			t.Errorf("something is left: %+v", table)
		}
	})
}

// FuzzFrames reads whatever a server may send as a watch.
func FuzzFrames(f *testing.F) {
	f.Add(fakeapi.Frame("ADDED", fakeapi.Envelope("EndpointSlice", kubeSlice("shop", "cart-1", "cart", 3))))
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		from := &frames{from: strings.NewReader(string(raw))}
		for {
			var event metav1.WatchEvent
			if from.next(&event) != nil {
				return
			}
		}
	})
}

func TestHostnamesStayWithTheirEndpoints(t *testing.T) {
	t.Parallel()
	slice := kubeSlice("shop", "cart-1", "cart", 4)
	slice.Endpoints[0].Addresses[0] = "127.0.0.1" // dropped
	slice.Endpoints[1].Hostname = pointer("web-1")
	slice.Endpoints[2].Hostname = pointer(strings.Repeat("x", 64))
	got := packSlice(slice, anywhere)
	if diff := cmp.Diff([]string{"web-1", "", ""}, got.slice.Hostnames); diff != "" {
		t.Errorf("hostnames (-want +got)\n%s", diff)
	}
	if got.slice.Endpoints.At(0).Addr.String() != "10.1.0.2" || got.slice.Hostname(0) != "web-1" {
		t.Errorf("got %+v", got.slice)
	}
	if diff := cmp.Diff([]string{DropDenied, DropHostname}, reasons(got)); diff != "" {
		t.Errorf("reasons (-want +got)\n%s", diff)
	}
	if none := packSlice(kubeSlice("shop", "cart-1", "cart", 2), anywhere).slice; none.Hostnames != nil || none.Hostname(1) != "" {
		t.Errorf("hostnames of pods without: %q", none.Hostnames)
	}
}
