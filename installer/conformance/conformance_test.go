package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/eastwest-mesh/eastwest/internal/podexec"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// judged runs all cases over a simulated set, in time that costs nothing.
func judged(t *testing.T, s *set, o Options) *Report {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { s.run(ctx, t) })
	report, err := Run(t.Context(), s.members(), o)
	stop()
	group.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.clusters {
		list, err := c.kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) > 0 {
			t.Errorf("cluster %s: %d namespaces are left, %v", c.name, len(list.Items), err)
		}
	}
	return report
}

// with lists the numbers of cases with an outcome.
func with(r *Report, outcome Outcome) []int {
	var all []int
	for _, row := range r.rows(outcome) {
		all = append(all, row.Number)
	}
	slices.Sort(all)
	return all
}

func TestEveryCaseNoticesWhatItIsAbout(t *testing.T) {
	t.Parallel()
	field := func(change func(*mcs.ServiceImportSpec)) flaw {
		return flaw{spoil: func(one *mcs.ServiceImport) { change(&one.Spec) }}
	}
	answers := func(kind string, change func(name string, all []string) []string) flaw {
		return flaw{answers: func(of, name string, all []string) []string {
			if of == kind {
				return change(name, all)
			}
			return all
		}}
	}
	for name, c := range map[string]struct {
		flaw flaw
		want []int
	}{
		"nothing is wrong": {},
		"types are exchanged": {field(func(spec *mcs.ServiceImportSpec) {
			if spec.Type == mcs.Headless {
				spec.Type, spec.IPs = mcs.ClusterSetIP, []string{"10.9.9.9"}
			} else {
				spec.Type = mcs.Headless
			}
		}), []int{1, 9, 10, 12, 18, 19, 21, 22, 23}},
		"imports outlive their exports":      {flaw{keeps: true}, []int{1, 9, 13}},
		"the first withdrawal ends the life": {flaw{early: true}, []int{13}},
		"no export is said to be valid": {flaw{condition: func(c *metav1.Condition) {
			if c.Type == string(mcs.ServiceExportConditionValid) {
				c.Status = metav1.ConditionFalse
			}
		}}, []int{1, 9, 13}},
		"the session affinity is lost": {field(func(spec *mcs.ServiceImportSpec) { spec.SessionAffinity = corev1.ServiceAffinityNone }), []int{2}},
		"its timeout is lost":          {field(func(spec *mcs.ServiceImportSpec) { spec.SessionAffinityConfig = nil }), []int{2}},
		"the traffic policy is lost":   {field(func(spec *mcs.ServiceImportSpec) { spec.InternalTrafficPolicy = nil }), []int{3}},
		"the distribution is lost":     {field(func(spec *mcs.ServiceImportSpec) { spec.TrafficDistribution = nil }), []int{4}},
		"families are of another order": {field(func(spec *mcs.ServiceImportSpec) {
			spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol}
		}), []int{5, 17, 28}},
		"a protocol is invented": {field(func(spec *mcs.ServiceImportSpec) {
			http := "http"
			spec.Ports[0].AppProtocol = &http
		}), []int{6, 7, 8}},
		"ports of the second are lost":     {field(func(spec *mcs.ServiceImportSpec) { spec.Ports = spec.Ports[:min(2, len(spec.Ports))] }), []int{7}},
		"the youngest decides":             {flaw{youngest: true}, []int{8, 12, 16}},
		"nobody is told of conflicts":      {flaw{condition: noConflict}, []int{7, 8, 12, 16, 26, 27}},
		"what has no address is exported":  {flaw{anyType: true}, []int{11}},
		"labels of exports are taken over": {flaw{mixed: true}, []int{15, 16}},
		"exported labels are lost":         {flaw{spoil: func(one *mcs.ServiceImport) { one.Labels = nil }}, []int{15, 16}},
		"slices say nothing of their source": {flaw{spoilSlice: func(slice *discoveryv1.EndpointSlice) {
			delete(slice.Labels, mcs.LabelSourceCluster)
		}}, []int{17, 22, 28}},
		"slices seem to be Kubernetes' own": {flaw{spoilSlice: func(slice *discoveryv1.EndpointSlice) {
			slice.Labels[discoveryv1.LabelManagedBy] = "endpointslice-controller.k8s.io"
		}}, []int{17, 28}},
		"slices are empty":            {flaw{spoilSlice: func(slice *discoveryv1.EndpointSlice) { slice.Endpoints = nil }}, []int{17, 28}},
		"slices outlive their import": {flaw{keepsSlices: true}, []int{17}},
		"it is said that there are none": {flaw{spoil: func(one *mcs.ServiceImport) {
			one.Status.EndpointSliceObjects = mcs.EndpointSliceObjectsAbsent
		}}, []int{28}},
		"no import is ready": {flaw{spoil: func(one *mcs.ServiceImport) { one.Status.Conditions = nil }}, []int{29}},
		"a name has an address too many": {answers("A", func(name string, all []string) []string {
			return append(slices.Clone(all), "10.7.7.7")
		}), []int{18, 20, 21, 22}},
		"local names lead to the set": {answers("A", func(name string, all []string) []string {
			if slices.Contains(all, "10.9.9.9") || len(all) != 1 || name[len(name)-len("cluster.local"):] != "cluster.local" {
				return all
			}
			return []string{"10.9.9.9"}
		}), []int{20}},
		"both protocols have a record": {answers("SRV", func(name string, all []string) []string { return append(all, all...) }), []int{19, 23}},
		"a pod has no record":          {answers("SRV", func(name string, all []string) []string { return all[1:] }), []int{19, 23}},
		"nothing can be called":        {flaw{calls: func(*set, string, int, []string) []string { return nil }}, []int{24, 25, 26, 27}},
		"every cluster's pods are called": {flaw{calls: func(s *set, namespace string, _ int, _ []string) []string {
			var all []string
			for _, c := range s.clusters {
				if pod := s.firstPod(context.Background(), c, namespace); pod != "" {
					all = append(all, pod)
				}
			}
			return all
		}}, []int{14, 25, 26, 27}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				report := judged(t, newSet(c.flaw, "a", "b", "c"), Options{})
				if diff := cmp.Diff(c.want, with(report, NotConformant)); diff != "" {
					t.Errorf("cases that are not conformant (-want +got):\n%s", diff)
				}
				if unknown := report.rows(Unknown); len(unknown) > 0 {
					t.Errorf("could not be told: %+v", unknown)
				}
			})
		})
	}
}

func noConflict(c *metav1.Condition) {
	if c.Type == string(mcs.ServiceExportConditionConflict) {
		c.Status = metav1.ConditionFalse
	}
}

func TestOneClusterSkipsCasesOfTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		report := judged(t, newSet(flaw{}, "a"), Options{})
		if diff := cmp.Diff([]int{7, 8, 12, 13, 16, 25, 26, 27}, with(report, Skipped)); diff != "" {
			t.Errorf("skipped (-want +got):\n%s", diff)
		}
		if err := report.Err(); err != nil {
			t.Errorf("what is skipped is no failure: %v", err)
		}
	})
}

func TestWhatStandsInTheWayIsNoVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number int
		breaks func(*set, []Member)
		want   string
	}{
		"an image without the tool": {18, func(_ *set, members []Member) {
			members[1].Exec = func(context.Context, podexec.Target, ...string) ([]byte, error) {
				return nil, &podexec.ExitError{Code: noTool}
			}
		}, "has no nslookup"},
		"a workload that is refused": {17, func(s *set, _ []Member) {
			s.clusters[0].kube.PrependReactor("create", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, errors.New("over quota")
			})
		}, "over quota"},
		"an image that nobody has, at once": {18, func(s *set, _ []Member) {
			s.clusters[1].kube.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
				pod := action.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
				pod.Status.Phase = corev1.PodPending
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
				return true, pod, nil
			})
		}, "ImagePullBackOff: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSet(flaw{}, "a", "b")
				members := s.members()
				c.breaks(s, members)
				ctx, stop := context.WithCancel(t.Context())
				var group sync.WaitGroup
				group.Go(func() { s.run(ctx, t) })
				report, err := Run(t.Context(), members, Options{Selection: Selection{Numbers: []int{c.number}}})
				stop()
				group.Wait()
				if err != nil {
					t.Fatal(err)
				}
				if code := problem.ExitCode(report.Err()); code != problem.ExitCluster {
					t.Errorf("exit code %d of %v, want %d", code, report.Err(), problem.ExitCluster)
				}
				rows := report.rows(Unknown)
				if len(rows) != 1 || !strings.Contains(rows[0].Message, c.want) {
					t.Fatalf("could not be told: %+v, want %q", rows, c.want)
				}
				// Time here is the bubble's own.
				if rows[0].Seconds >= setupBound.Seconds() {
					t.Errorf("it took %v s", rows[0].Seconds)
				}
			})
		})
	}
}

func TestWhatIsCutShortIsRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSet(flaw{}, "a", "b")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("enough"))
		defer cancel()
		report, err := Run(ctx, s.members(), Options{}) // nobody reconciles
		if code := problem.ExitCode(err); code != problem.ExitDeadline || report == nil {
			t.Errorf("exit code %d of %v, want %d and a report", code, err, problem.ExitDeadline)
		}
		for _, c := range s.clusters {
			if list, err := c.kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) > 0 {
				t.Errorf("cluster %s: %d namespaces are left, %v", c.name, len(list.Items), err)
			}
		}
	})
}

func TestNamespacesOfKilledRunsAreSwept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSet(flaw{}, "a")
		for name, age := range map[string]time.Duration{"mcs-conformance-1": 2 * time.Hour, "mcs-conformance-2": time.Minute} {
			_, err := s.clusters[0].kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
				Name: name, Labels: map[string]string{RunLabel: "other"}, CreationTimestamp: metav1.NewTime(time.Now().Add(-age)),
			}}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		r := &run{members: s.members(), id: "this"}
		if notes := r.sweep(t.Context(), time.Now()); len(notes) != 1 {
			t.Errorf("notes %v, want one", notes)
		}
		list, err := s.clusters[0].kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 1 || list.Items[0].Name != "mcs-conformance-2" {
			t.Errorf("left are %v, %v", list.Items, err)
		}
	})
}
