package derived

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestPortsAreReadBack: what is written is what every replica reads, and a Service
// that somebody else made or edited is not believed.
func TestPortsAreReadBack(t *testing.T) {
	t.Parallel()
	all := view(apart, exported("a", tcp, pods("west", "10.2.0.1")))
	list := wanted(all, vantage{own: all.Members["east"]})
	written := func() *corev1.Service {
		text, err := json.Marshal(list[0].serviceObject())
		if err != nil {
			t.Fatal(err)
		}
		object := &corev1.Service{}
		if err := json.Unmarshal(text, object); err != nil {
			t.Fatal(err)
		}
		return object
	}
	if diff := cmp.Diff(map[model.PortKey]uint16{key("a", 80): 20000}, portsOf(written())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for name, change := range map[string]func(*corev1.Service){
		"another name":                 func(o *corev1.Service) { o.Name = "derived-other" },
		"of another service":           func(o *corev1.Service) { o.Annotations["eastwest.dev/service"] = "b" },
		"it leads to pods":             func(o *corev1.Service) { o.Annotations[throughAnnotation] = "pods" },
		"a port of the gateway itself": func(o *corev1.Service) { o.Spec.Ports[0].TargetPort.IntVal = 15443 },
		"a named port":                 func(o *corev1.Service) { o.Spec.Ports[0].TargetPort.Type, o.Spec.Ports[0].TargetPort.StrVal = 1, "x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := written()
			change(object)
			if got := portsOf(object); len(got) > 0 {
				t.Errorf("it is believed: %v", got)
			}
		})
	}
}

// TestSlices: behind a gateway its pods with the allocated ports; else the
// exporters' pods with theirs, a hundred to a slice, one family each.
func TestSlices(t *testing.T) {
	t.Parallel()
	through := view(apart, exported("a", tcp, pods("west", "10.2.0.1")))
	slices := wanted(through, vantage{own: through.Members["east"]})[0].sliceObjects([]netip.Addr{netip.MustParseAddr("10.1.0.9"), netip.MustParseAddr("fd00::9")})
	if len(slices) != 2 || *slices[0].Ports[0].Port != 20000 || slices[0].Endpoints[0].Addresses[0] != "10.1.0.9" || *slices[1].AddressType != "IPv6" {
		t.Errorf("%d slices behind a gateway", len(slices))
	}
	many := pods("west")
	for i := range 150 {
		many.Slices[0].Endpoints.Append(model.Endpoint{
			Addr: netip.AddrFrom4([4]byte{10, 2, 1, byte(i)}), Zone: model.NoZone,
		})
	}
	direct := view(flat, exported("a", tcp, many))
	slices = wanted(direct, vantage{own: direct.Members["east"]})[0].sliceObjects(nil)
	if len(slices) != 2 || len(slices[0].Endpoints) != 100 || len(slices[1].Endpoints) != 50 || *slices[0].Ports[0].Port != 8080 {
		t.Errorf("%d slices of pods", len(slices))
	}
}

// TestHolds: what an object has besides is no reason to write it, what differs is.
func TestHolds(t *testing.T) {
	t.Parallel()
	all := view(apart, exported("a", tcp, pods("west", "10.2.0.1")))
	wanted := wanted(all, vantage{own: all.Members["east"]})[0].serviceObject()
	text, err := json.Marshal(wanted)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*corev1.Service)
		want   bool
	}{
		"as written": {func(*corev1.Service) {}, true},
		"defaults and labels": {func(o *corev1.Service) {
			o.Spec.ClusterIP = "10.0.0.1"
			o.Labels["x"] = "y"
			o.Spec.Ports[0].NodePort = 0
		}, true},
		"another target":         {func(o *corev1.Service) { o.Spec.Ports[0].TargetPort.IntVal = 1 }, false},
		"a port more":            {func(o *corev1.Service) { o.Spec.Ports = append(o.Spec.Ports, corev1.ServicePort{Port: 1}) }, false},
		"our label is gone":      {func(o *corev1.Service) { o.Labels = nil }, false},
		"the annotation differs": {func(o *corev1.Service) { o.Annotations["eastwest.dev/service"] = "z" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := &corev1.Service{}
			if err := json.Unmarshal(text, object); err != nil {
				t.Fatal(err)
			}
			tc.change(object)
			got, err := holds(object, wanted)
			if err != nil || got != tc.want {
				t.Errorf("holds: %v %v, want %v", got, err, tc.want)
			}
		})
	}
}

// TestSlicesOfPods: each is of one member and says so, as KEP-1645 wants it, and of a
// headless service they are all that there is.
func TestSlicesOfPods(t *testing.T) {
	t.Parallel()
	west := pods("west", "10.2.0.1", "10.2.0.2")
	west.Slices[0].Hostnames = []string{"web-0", ""}
	one := exported("a", tcp, pods("east", "10.1.0.1"), west)
	for name, tc := range map[string]struct {
		headless bool
		networks map[model.MemberName]model.NetworkID
		service  string
	}{
		"with an address":                 {false, flat, Name(one.Key)},
		"headless":                        {true, flat, ""},
		"headless and on another network": {true, apart, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shown := *one
			if tc.headless {
				shown.Type = model.Headless
			}
			all := view(tc.networks, &shown)
			list := wanted(all, vantage{own: all.Members["east"]})
			if len(list) != 1 || list[0].headless != tc.headless {
				t.Fatalf("%+v", list)
			}
			got := map[string]string{}
			for _, slice := range list[0].sliceObjects(nil) {
				if slice.Labels["multicluster.kubernetes.io/service-name"] != "a" || slice.Labels["kubernetes.io/service-name"] != tc.service {
					t.Errorf("labels %v", slice.Labels)
				}
				text := *slice.Name + ":"
				for _, endpoint := range slice.Endpoints {
					text += " " + endpoint.Addresses[0]
					if endpoint.Hostname != nil {
						text += "=" + *endpoint.Hostname
					}
				}
				got[slice.Labels["multicluster.kubernetes.io/source-cluster"]] = text
			}
			want := map[string]string{
				"east": Name(one.Key) + "-east-ipv4-0: 10.1.0.1",
				"west": Name(one.Key) + "-west-ipv4-0: 10.2.0.1=web-0 10.2.0.2",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestLess: what a replica does not know yet must not be taken from the others.
func TestLess(t *testing.T) {
	t.Parallel()
	of := func(networks map[model.MemberName]model.NetworkID, ports ...model.Port) *service {
		all := view(networks, exported("a", ports, pods("west", "10.2.0.1")))
		return &wanted(all, vantage{own: all.Members["east"]})[0]
	}
	two := append(slices.Clone(tcp), model.Port{Name: "other", Number: 81})
	for name, tc := range map[string]struct {
		have, wanted *service
		want         bool
	}{
		"the same":                    {of(apart, tcp...), of(apart, tcp...), false},
		"a port more":                 {of(apart, tcp...), of(apart, two...), false},
		"a port less":                 {of(apart, two...), of(apart, tcp...), true},
		"the same number of UDP":      {of(flat, tcp...), of(flat, model.Port{Name: "tcp", Number: 80, Protocol: model.UDP}), true},
		"to other networks, too":      {of(flat, tcp...), of(apart, tcp...), false},
		"to other networks no longer": {of(apart, tcp...), of(flat, tcp...), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object := tc.have.serviceObject()
			have := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Annotations: object.Annotations}}
			for _, port := range object.Spec.Ports {
				have.Spec.Ports = append(have.Spec.Ports, corev1.ServicePort{Port: *port.Port, Protocol: *port.Protocol})
			}
			if got := less(have, tc.wanted); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}
