package derived

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestNobodyTakesThePortOfAnother: whoever may edit Services of one namespace may edit
// the derived ones there, and give one of them the gateway's port of another namespace's
// service. Whoever has the port keeps it, and the edit is put right: else callers of the
// one were led to the other.
func TestNobodyTakesThePortOfAnother(t *testing.T) {
	r := newRig(t)
	const mine, theirs = "hijack-a", "hijack-b"
	of := func(namespace string) *model.Service {
		one := exported("web", tcp, pods("west", "10.2.0.1"))
		one.Key.Namespace = namespace
		return one
	}
	for _, name := range []string{mine, theirs} {
		if _, err := r.kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	target := func(namespace string) int {
		object, err := r.kube.CoreV1().Services(namespace).Get(t.Context(), Name(of(namespace).Key), metav1.GetOptions{})
		if err != nil {
			return 0
		}
		return object.Spec.Ports[0].TargetPort.IntValue()
	}
	r.show(view(apart, of(mine), of(theirs)), true)
	await(t, "both are there", func() bool { return target(mine) == firstPort && target(theirs) == firstPort+1 })
	edit := fmt.Appendf(nil, `{"spec":{"ports":[{"name":"tcp","port":80,"protocol":"TCP","targetPort":%d}]}}`, firstPort+1)
	for range 3 {
		if _, err := r.kube.CoreV1().Services(mine).Patch(t.Context(), Name(of(mine).Key), types.StrategicMergePatchType, edit, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		await(t, "the edit is put right", func() bool {
			if got := target(theirs); got != firstPort+1 {
				t.Fatalf("the other one's port is %d", got)
			}
			return target(mine) == firstPort
		})
	}
	r.show(view(apart), true)
	await(t, "both are gone", func() bool { return target(mine)+target(theirs) == 0 })
}

// TestWhoeverHasAPortKeepsIt is the same where it is decided, and what comes of it where
// nothing is known from before.
func TestWhoeverHasAPortKeepsIt(t *testing.T) {
	t.Parallel()
	a, b, c := key("a", 80), key("b", 80), key("c", 80)
	for name, tc := range map[string]struct {
		claims, before, want map[model.PortKey]uint16
	}{
		"no conflict":               {map[model.PortKey]uint16{a: 20000, b: 20001}, nil, map[model.PortKey]uint16{a: 20000, b: 20001}},
		"a newcomer by name first":  {map[model.PortKey]uint16{a: 20001, b: 20001}, map[model.PortKey]uint16{a: 20000, b: 20001}, map[model.PortKey]uint16{b: 20001}},
		"two newcomers":             {map[model.PortKey]uint16{a: 20001, b: 20001, c: 20001}, map[model.PortKey]uint16{c: 20001}, map[model.PortKey]uint16{c: 20001}},
		"nothing known from before": {map[model.PortKey]uint16{a: 20001, b: 20001}, nil, map[model.PortKey]uint16{a: 20001}},
		"who had it has moved":      {map[model.PortKey]uint16{a: 20001, b: 20002}, map[model.PortKey]uint16{b: 20001}, map[model.PortKey]uint16{a: 20001, b: 20002}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			orders := [][]model.PortKey{{a, b, c}, {c, b, a}}
			if tc.before == nil {
				orders = orders[:1] // as a Cluster begins
			}
			for _, order := range orders {
				holders := newHolders()
				claim := func(from map[model.PortKey]uint16) {
					for _, key := range order {
						claims := map[model.PortKey]uint16{key: from[key]}
						if from[key] == 0 {
							claims = nil
						}
						holders.claim(types.NamespacedName{Name: key.Service.Name}, claims)
					}
				}
				claim(tc.before)
				claim(tc.claims)
				if got := holders.now().ports; fmt.Sprint(got) != fmt.Sprint(tc.want) {
					t.Errorf("got %v, want %v", got, tc.want)
				}
			}
		})
	}
}
