package plain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
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
	for name, c := range map[string]struct {
		names   []string
		breakIt func(*mesh)
		want    outcome
	}{
		"two clusters that reach each other": {
			names: []string{"east", "west"}, want: outcome{Passed: true, Cells: map[string]report.State{}},
		},
		"three clusters that reach each other": {
			names: []string{"east", "north", "west"}, want: outcome{Passed: true, Cells: map[string]report.State{}},
		},
		"a firewall in front of a gateway": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				m.cut[[2]string{"east", "west"}], m.cut[[2]string{"east", gatewayURL(1)}] = curlTimeout, curlTimeout
				m.unhealthy[[2]string{"east", "west"}] = true
			},
			want: outcome{
				Exit: problem.ExitUnverified, Cells: map[string]report.State{"east -> west": report.Broken}, Checks: []string{"fail gateway-tcp"},
			},
		},
		"an agent that was scaled down": {
			names: []string{"east", "west"}, breakIt: func(m *mesh) { m.stop("east") },
			want: outcome{
				Exit: problem.ExitUnverified,
				Cells: map[string]report.State{
					"east -> east": report.Broken, "east -> west": report.Broken, "west -> east": report.Broken,
				},
				Checks: []string{"fail agent-running", "fail agent-producer"},
			},
		},
		"a version that its gateway finds unhealthy never answers": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				m.unhealthy[[2]string{"east", "west"}], m.mute[[2]string{"east", "west"}] = true, true
			},
			want: outcome{Exit: problem.ExitUnverified, Cells: map[string]report.State{}, Checks: []string{"fail shared-version", "warn shared-share"}},
		},
		"a record that is missing": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				err := m.kube["east"].CoreV1().Secrets(facts.Namespace).Delete(context.Background(), "members", metav1.DeleteOptions{})
				if err != nil {
					panic(err)
				}
			},
			want: outcome{Exit: problem.ExitUnverified, Cells: map[string]report.State{}, Checks: []string{"fail agent-record"}},
		},
		"a cluster without the type ServiceExport": {
			names: []string{"east", "west"},
			breakIt: func(m *mesh) {
				m.dyn["west"].PrependReactor("*", "serviceexports", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewGenericServerResponse(404, "post", harness.ServiceExports.GroupResource(), "", "", 0, true)
				})
			},
			want: outcome{
				Exit:   problem.ExitUnverified,
				Cells:  map[string]report.State{"east -> west": report.Skipped, "west -> east": report.Skipped, "west -> west": report.Skipped},
				Checks: []string{"fail harness-exports"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMesh(t, c.names...)
				if c.breakIt != nil {
					c.breakIt(m)
				}
				r, err := verify.Run(t.Context(), plain.New(), m.clusters(), verify.Options{Run: "x"})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, outcomeOf(r)); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				m.checkClean(t)
			})
		})
	}
}

// checkClean requires that nothing of the run is left.
func (m *mesh) checkClean(t *testing.T) {
	t.Helper()
	for _, name := range m.names {
		if _, err := m.kube[name].CoreV1().Namespaces().Get(context.Background(), m.namespace(), metav1.GetOptions{}); err == nil {
			t.Errorf("cluster %s: namespace %s was left behind", name, m.namespace())
		}
		exports, err := m.dyn[name].Resource(harness.ServiceExports).List(context.Background(), metav1.ListOptions{})
		if err == nil && len(exports.Items) > 0 {
			t.Errorf("cluster %s: %d exports were left behind", name, len(exports.Items))
		}
	}
}

func TestRunCleansUpWhenCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMesh(t, "east", "west")
		m.cut[[2]string{"east", "west"}] = curlTimeout
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := verify.Run(ctx, plain.New(), m.clusters(), verify.Options{Run: "x"})
		if problem.ExitCode(err) != problem.ExitDeadline {
			t.Errorf("err = %v, want exit %d", err, problem.ExitDeadline)
		}
		if r == nil || r.Passed || len(r.Notes) > 0 {
			t.Errorf("want a report that has not passed, and no notes of what was cut short: %+v", r)
		}
		m.checkClean(t)
	})
}
