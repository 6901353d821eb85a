package watch

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// TestLeanSlice compares with what Kubernetes decodes of slices that use every field.
func TestLeanSlice(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		raw, err := anySlice(rand.New(rand.NewPCG(seed, 1))).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var full discoveryv1.EndpointSlice
		var lean leanSlice
		if err := full.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		if err := lean.Unmarshal(raw); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		sameSlice(t, &full, &lean)
	}
}

// sameSlice wants the same of both.
func sameSlice(t *testing.T, full *discoveryv1.EndpointSlice, lean *leanSlice) {
	t.Helper()
	if want, got := packSlice(full, anywhere), packSlice(&lean.EndpointSlice, anywhere); !reflect.DeepEqual(want, got) {
		t.Errorf("packed %+v, want %+v", got, want)
	}
	if lean.ResourceVersion != full.ResourceVersion || lean.Annotations[metav1.InitialEventsAnnotationKey] != full.Annotations[metav1.InitialEventsAnnotationKey] {
		t.Errorf("metadata %+v, want %+v", lean.ObjectMeta, full.ObjectMeta)
	}
}

// anySlice has something in every field, or nothing.
func anySlice(r *rand.Rand) *discoveryv1.EndpointSlice {
	text := func(words ...string) *string {
		if r.IntN(4) == 0 {
			return nil
		}
		return &words[r.IntN(len(words))]
	}
	yes := func() *bool {
		return []*bool{nil, pointer(false), pointer(true)}[r.IntN(3)]
	}
	out := kubeSlice("shop", "cart-1", "cart", 0)
	out.AddressType = []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, ""}[r.IntN(3)]
	out.ResourceVersion, out.UID, out.GenerateName = fmt.Sprint(r.IntN(99)), "uid", "cart-"
	out.CreationTimestamp = metav1.NewTime(time.Unix(int64(r.IntN(9)), 0))
	out.OwnerReferences = []metav1.OwnerReference{{Kind: "Service", Name: "cart"}}
	out.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m", FieldsV1: metav1.NewFieldsV1("{}")}}
	out.Annotations = map[string]string{"a": "b", metav1.InitialEventsAnnotationKey: fmt.Sprint(r.IntN(2) == 0)}
	for _, key := range []string{labelSourceCluster, v1alpha1.LabelDerived, discoveryv1.LabelManagedBy, "other"} {
		if r.IntN(8) == 0 {
			out.Labels[key] = []string{"true", v1alpha1.ManagedByAgent, ""}[r.IntN(3)]
		}
	}
	out.Ports = nil
	for range r.IntN(4) {
		port := discoveryv1.EndpointPort{Name: text("http", "", "a.b"), AppProtocol: text("http", "a b")}
		if r.IntN(4) > 0 {
			port.Port = pointer([]int32{0, -1, 80, 65535, 70000}[r.IntN(5)])
		}
		if r.IntN(2) == 0 {
			port.Protocol = pointer([]corev1.Protocol{"TCP", "UDP", "", "x"}[r.IntN(4)])
		}
		out.Ports = append(out.Ports, port)
	}
	for range r.IntN(30) {
		one := discoveryv1.Endpoint{
			Conditions: discoveryv1.EndpointConditions{Ready: yes(), Serving: yes(), Terminating: yes()},
			Hostname:   text("a", "", "A"), NodeName: text("node"), DeprecatedTopology: map[string]string{"zone": "z"},
			Zone:      text("z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7", "z8", "z9", "", strings.Repeat("z", 70)),
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "cart-0"}, Hints: &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "z"}}},
		}
		for range r.IntN(4) {
			one.Addresses = append(one.Addresses, []string{fmt.Sprintf("10.1.0.%d", r.IntN(256)), "2001:db8::1", "", "127.0.0.1", "x"}[r.IntN(5)])
		}
		out.Endpoints = append(out.Endpoints, one)
	}
	return out
}

// BenchmarkLeanSlice decodes a slice of 100 pods, and so does Kubernetes.
func BenchmarkLeanSlice(b *testing.B) {
	of := kubeSlice("shop", "cart-1", "cart", 100)
	for i := range of.Endpoints {
		one := &of.Endpoints[i]
		one.Conditions = discoveryv1.EndpointConditions{Ready: pointer(true), Serving: pointer(true), Terminating: pointer(false)}
		one.NodeName, one.TargetRef = pointer("node"), &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: fmt.Sprint("cart-", i), UID: "uid"}
	}
	raw, err := of.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	for name, into := range map[string]func() interface{ Unmarshal([]byte) error }{
		"lean": func() interface{ Unmarshal([]byte) error } { return &leanSlice{} },
		"full": func() interface{ Unmarshal([]byte) error } { return &discoveryv1.EndpointSlice{} },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := into().Unmarshal(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
