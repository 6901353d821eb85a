package verify_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// outcome is what a caller acts on.
type outcome struct {
	Passed bool
	Exit   int
	Cells  map[string]report.State
	Checks []string
}

func outcomeOf(r *report.Report) outcome {
	o := outcome{Passed: r.Passed, Exit: problem.ExitCode(r.Err()), Cells: map[string]report.State{}}
	for _, l := range r.Links {
		if l.State != report.OK {
			o.Cells[report.Arrow(l.Consumer, l.Producer)] = l.State
		}
	}
	for _, f := range r.Findings {
		o.Checks = append(o.Checks, string(f.Severity)+" "+f.Check)
	}
	return o
}

// scenario is a simulated mesh, broken or not, and what a run must say of it.
type scenario struct {
	names   []string
	breakIt func(*mesh)
	options verify.Options
	want    outcome
}

func runAll(t *testing.T, cases map[string]scenario) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(c.names...)
				if c.breakIt != nil {
					c.breakIt(m)
				}
				r, err := verify.Run(t.Context(), istio.New(), m.clusters(), c.options)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, outcomeOf(r)); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				m.checkClean(t, r.Namespace)
			})
		})
	}
}

func TestRunProves(t *testing.T) {
	t.Parallel()
	runAll(t, map[string]scenario{
		"two clusters that reach each other": {
			names: []string{"east", "west"}, want: outcome{Passed: true, Cells: map[string]report.State{}},
		},
		"three clusters that reach each other": {
			names: []string{"east", "north", "west"}, want: outcome{Passed: true, Cells: map[string]report.State{}},
		},
		"a link that nobody asked for may be missing": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				m.cut[[2]string{"west", "east"}] = curlTimeout
				_ = m.kube["west"].Tracker().Delete(corev1.SchemeGroupVersion.WithResource("secrets"), "istio-system", "istio-remote-secret-id-east")
				m.endpoints[[2]string{"west", "east"}] = []string{}
			},
			options: verify.Options{Links: []verify.Pair{{Consumer: "east", Producer: "west"}}},
			want:    outcome{Passed: true, Cells: map[string]report.State{"west -> east": report.Unexpected}},
		},
	})
}

func TestRunNamesTheBrokenHop(t *testing.T) {
	t.Parallel()
	runAll(t, map[string]scenario{
		"a gateway without an address": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				m.update("west", func(s *corev1.Service) { s.Status.LoadBalancer.Ingress = nil })
				m.endpoints[[2]string{"east", "west"}] = []string{podIP(1) + ":5000"}
				m.cut[[2]string{"east", "west"}] = curlTimeout
			},
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{"east -> west": report.Broken},
				Checks: []string{"fail gateway-address"},
			},
		},
		"a firewall in front of a gateway": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				m.cut[[2]string{"east", "west"}] = curlTimeout
				m.cut[[2]string{"east", "https://" + gatewayIP(1) + ":15443/"}] = curlTimeout
			},
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{"east -> west": report.Broken},
				Checks: []string{"fail gateway-tcp"},
			},
		},
		"services that are not exposed": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				_ = m.dyn["west"].Tracker().Delete(gateways, "istio-system", "cross-network-gateway")
				m.noExpose["west"] = true
				m.cut[[2]string{"east", "west"}] = curlTimeout
				m.cut[[2]string{"east", "https://" + gatewayIP(1) + ":15443/"}] = "\n000 0.0 0.001\ncurl: (7) Connection refused"
			},
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{"east -> west": report.Broken},
				Checks: []string{"fail sni-exposed"},
			},
		},
		"a revoked token with traffic that still flows": {
			names:   []string{"east", "west"},
			breakIt: func(m *mesh) { m.revoked["east-of-west"] = true },
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{},
				Checks: []string{"fail discovery-token"},
			},
		},
	})
}

func TestRunWithoutAllMembers(t *testing.T) {
	t.Parallel()
	runAll(t, map[string]scenario{
		"a dead cluster costs its own rows and columns": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				m.kube["west"].PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, errors.New("dial tcp: i/o timeout")
				})
			},
			want: outcome{Exit: problem.ExitCluster, Cells: map[string]report.State{
				"east -> west": report.Unreachable, "west -> east": report.Unreachable, "west -> west": report.Unreachable,
			}},
		},
		"pods without a sidecar": {
			names:   []string{"east", "west"},
			breakIt: func(m *mesh) { m.bare["west"] = true },
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{
					"east -> west": report.Broken, "west -> east": report.Skipped, "west -> west": report.Skipped,
				},
				Checks: []string{"fail harness-sidecar"},
			},
		},
		"a revision that nothing injects": {
			names:   []string{"east"},
			breakIt: func(m *mesh) { m.revision = "nope" },
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{"east -> east": report.Skipped},
				Checks: []string{"fail harness-sidecar"},
			},
		},
	})
}

// update changes the gateway Service of a cluster.
func (m *mesh) update(name string, change func(*corev1.Service)) {
	services := m.kube[name].CoreV1().Services("istio-system")
	s, err := services.Get(context.Background(), "istio-eastwestgateway", metav1.GetOptions{})
	if err == nil {
		change(s)
		_, err = services.Update(context.Background(), s, metav1.UpdateOptions{})
	}
	if err != nil {
		panic(err)
	}
}

// checkClean requires that no namespace of a run is left in a live cluster.
func (m *mesh) checkClean(t *testing.T, namespace string) {
	t.Helper()
	for name, kube := range m.kube {
		_, err := kube.CoreV1().Namespaces().Get(context.Background(), namespace, metav1.GetOptions{})
		if err == nil {
			t.Errorf("cluster %s: namespace %s was left behind", name, namespace)
		}
	}
}

func TestRunCleansUpWhenCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMesh("east", "west")
		m.cut[[2]string{"east", "west"}] = curlTimeout
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := verify.Run(ctx, istio.New(), m.clusters(), verify.Options{Run: "x"})
		if problem.ExitCode(err) != problem.ExitDeadline {
			t.Errorf("err = %v, want exit %d", err, problem.ExitDeadline)
		}
		if r == nil || r.Passed {
			t.Error("want a report that has not passed")
		}
		m.checkClean(t, "eastwest-verify-x")
	})
}

func TestRunKeeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMesh("east")
		if _, err := verify.Run(t.Context(), istio.New(), m.clusters(), verify.Options{Run: "x", Keep: true}); err != nil {
			t.Fatal(err)
		}
		ns, err := m.kube["east"].CoreV1().Namespaces().Get(t.Context(), "eastwest-verify-x", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"app.kubernetes.io/managed-by": "eastwest", "eastwest.dev/verify-run": "x",
			"eastwest.dev/verify-keep": "true", "istio.io/rev": "default",
		}
		if diff := cmp.Diff(want, ns.Labels); diff != "" {
			t.Error(diff)
		}
	})
}
