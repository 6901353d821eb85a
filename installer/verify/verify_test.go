package verify_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/installer/verify"
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

func TestRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		names   []string
		breakIt func(*mesh)
		options verify.Options
		want    outcome
	}{
		"two clusters that reach each other": {
			names: []string{"east", "west"}, want: outcome{Passed: true, Cells: map[string]report.State{}},
		},
		"three clusters that reach each other": {
			names: []string{"east", "north", "west"}, want: outcome{Passed: true, Cells: map[string]report.State{}},
		},
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
		"a revoked token with traffic that still flows": {
			names:   []string{"east", "west"},
			breakIt: func(m *mesh) { m.revoked["east-of-west"] = true },
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{},
				Checks: []string{"fail discovery-token"},
			},
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
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(c.names...)
				if c.breakIt != nil {
					c.breakIt(m)
				}
				r, err := verify.Run(t.Context(), m.clusters(), c.options)
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
		r, err := verify.Run(ctx, m.clusters(), verify.Options{Run: "x"})
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
		if _, err := verify.Run(t.Context(), m.clusters(), verify.Options{Run: "x", Keep: true}); err != nil {
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

func TestRunInANamespaceThatExists(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		labels map[string]string
		taken  string // a Service that is there already
		exit   int
	}{
		"injected":                     {labels: map[string]string{"istio.io/rev": "default"}},
		"not injected is refused":      {labels: map[string]string{"istio.io/rev": "other"}, exit: problem.ExitRefused},
		"with our names in it refused": {labels: map[string]string{"istio.io/rev": "default"}, taken: "helloworld", exit: problem.ExitRefused},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMesh("east")
				kube := m.kube["east"]
				ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "sample", Labels: c.labels}}
				_ = kube.Tracker().Add(ns)
				other := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "sample", Name: "theirs"}}
				if c.taken != "" {
					other.Name = c.taken
				}
				_ = kube.Tracker().Add(other)
				_, err := verify.Run(t.Context(), m.clusters(), verify.Options{Namespace: "sample"})
				if problem.ExitCode(err) != c.exit {
					t.Errorf("err = %v, want exit %d", err, c.exit)
				}
				left, _ := kube.CoreV1().Services("sample").List(t.Context(), metav1.ListOptions{})
				if len(left.Items) != 1 || left.Items[0].Name != other.Name {
					t.Errorf("left %v, want only %s", left.Items, other.Name)
				}
				after, err := kube.CoreV1().Namespaces().Get(t.Context(), "sample", metav1.GetOptions{})
				if err != nil || !cmp.Equal(after.Labels, c.labels) {
					t.Errorf("the namespace changed: %v, %v", after, err)
				}
			})
		})
	}
}

func TestRunSweepsLeftovers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMesh("east")
		add := func(name string, age time.Duration, labels ...string) {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
				Name: name, CreationTimestamp: metav1.NewTime(time.Now().Add(-age)),
				Labels: map[string]string{"eastwest.dev/verify-run": name},
			}}
			for _, l := range labels {
				ns.Labels[l] = "true"
			}
			_ = m.kube["east"].Tracker().Add(ns)
		}
		add("crashed", 2*time.Hour)
		add("running", 10*time.Minute)
		add("kept", 2*time.Hour, "eastwest.dev/verify-keep")
		if _, err := verify.Run(t.Context(), m.clusters(), verify.Options{}); err != nil {
			t.Fatal(err)
		}
		for name, gone := range map[string]bool{"crashed": true, "running": false, "kept": false, "istio-system": false} {
			_, err := m.kube["east"].CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) != gone {
				t.Errorf("namespace %s: gone is %v, want %v", name, !gone, gone)
			}
		}
	})
}

func TestRunRejectsInput(t *testing.T) {
	t.Parallel()
	east := verify.Cluster{Name: "east"}
	cases := map[string]struct {
		clusters []verify.Cluster
		options  verify.Options
	}{
		"no cluster":           {},
		"a name twice":         {clusters: []verify.Cluster{east, east}},
		"a name with capitals": {clusters: []verify.Cluster{{Name: "East"}}},
		"a link to nowhere":    {clusters: []verify.Cluster{east}, options: verify.Options{Links: []verify.Pair{{Consumer: "east", Producer: "west"}}}},
		"certainty":            {clusters: []verify.Cluster{east}, options: verify.Options{Confidence: 1}},
		"a bad namespace":      {clusters: []verify.Cluster{east}, options: verify.Options{Namespace: "A b"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := verify.Run(t.Context(), c.clusters, c.options); problem.ExitCode(err) != problem.ExitInput {
				t.Errorf("err = %v, want exit %d", err, problem.ExitInput)
			}
		})
	}
}

func TestProgressNamesEveryCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMesh("east", "west")
		steps := make(chan string, 1000)
		_, err := verify.Run(t.Context(), m.clusters(), verify.Options{Progress: func(cluster, _ string) { steps <- cluster }})
		if err != nil {
			t.Fatal(err)
		}
		close(steps)
		var seen []string
		for name := range steps {
			seen = append(seen, name)
		}
		slices.Sort(seen)
		if diff := cmp.Diff([]string{"", "east", "west"}, slices.Compact(seen)); diff != "" {
			t.Error(diff)
		}
	})
}
