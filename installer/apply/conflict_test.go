package apply

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// TestAForeignFieldIsRefused is F47's second half: who owns a field that we would
// set differently keeps it, unless the operator says --adopt.
func TestAForeignFieldIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.as(t.Context(), t, "kubectl", r.configMap("a", map[string]any{"x": "theirs"}))
	wanted := r.set(r.configMap("a", map[string]any{"x": "ours"}), r.configMap("b", nil))

	_, err := r.Plan(t.Context(), wanted)
	wantProblem(t, err, problem.Refused, "FieldConflict", "plan: another field manager owns what we would set (ConfigMap "+r.namespace+"/a)")
	if all := problem.All(err); !strings.Contains(err.Error(), `conflict with "kubectl"`) || !strings.Contains(all[0].Fix, "--adopt") {
		t.Errorf("who owns it and what to do: %v, fix %q", err, all[0].Fix)
	}
	if writes := r.writes.take(); len(writes) > 0 {
		t.Errorf("a refusal writes %q", writes)
	}

	r.adopt = true
	if got := r.run(t, wanted); !slices.Equal(got, []string{"configured ConfigMap a", "created ConfigMap b"}) {
		t.Errorf("adopted: got %q", got)
	}
	r.adopt = false
	if got := r.run(t, wanted); !slices.Equal(got, []string{"unchanged ConfigMap a", "unchanged ConfigMap b"}) {
		t.Errorf("once adopted it is ours: got %q", got)
	}
	live := must(r.kube.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "a", metav1.GetOptions{}))(t)
	if live.Data["x"] != "ours" || !managedBy(live.ManagedFields, FieldManager) {
		t.Errorf("got %v, managers %v", live.Data, live.ManagedFields)
	}
}

func managedBy(entries []metav1.ManagedFieldsEntry, manager string) bool {
	return slices.ContainsFunc(entries, func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == manager && entry.Operation == metav1.ManagedFieldsOperationApply
	})
}

// TestForeignFieldsSurvive holds apply to its own fields: what others added to an
// object of ours stays.
func TestForeignFieldsSurvive(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	r.run(t, r.set(r.configMap("a", map[string]any{"x": "1"})))
	r.as(t.Context(), t, "kubectl", r.configMap("a", map[string]any{"theirs": "2"}))
	if got := r.run(t, r.set(r.configMap("a", map[string]any{"y": "3"}))); !slices.Equal(got, []string{"configured ConfigMap a"}) {
		t.Errorf("got %q", got)
	}
	live := must(r.kube.CoreV1().ConfigMaps(r.namespace).Get(t.Context(), "a", metav1.GetOptions{}))(t)
	if len(live.Data) != 2 || live.Data["theirs"] != "2" || live.Data["y"] != "3" {
		t.Errorf("got %v", live.Data)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	gateway := r.configMap("a", nil)
	gateway.SetAPIVersion("networking.istio.io/v1")
	gateway.SetKind("Gateway")
	_, err := r.Plan(t.Context(), r.set(gateway))
	wantProblem(t, err, problem.Refused, "MissingCRD", "the cluster does not serve networking.istio.io/v1, Kind=Gateway")

	nowhere := r.configMap("a", nil)
	nowhere.SetNamespace("nowhere-to-be-found")
	plan := must(r.Plan(t.Context(), r.set(nowhere)))(t)
	err = r.Apply(t.Context(), plan, nil)
	wantProblem(t, err, problem.Cluster, "ApplyFailed", "(ConfigMap nowhere-to-be-found/a)")

	invalid := r.configMap("No_Name", nil)
	_, err = r.Plan(t.Context(), r.set(invalid))
	wantProblem(t, err, problem.Cluster, "ApplyFailed", "No_Name")
}

// TestMissingRightsHaveTheirFix logs in as nobody.
func TestMissingRightsHaveTheirFix(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	next := r.writes.next
	defer func() { r.writes.next = next }()
	r.writes.next = roundTripper(func(request *http.Request) (*http.Response, error) {
		request = request.Clone(request.Context())
		request.Header.Set("Impersonate-User", "nobody")
		return next.RoundTrip(request)
	})
	_, err := r.Plan(t.Context(), r.set(r.configMap("a", nil)))
	wantProblem(t, err, problem.Cluster, "ApplyFailed", `User "nobody" cannot get resource "configmaps"`)
	if fix := problem.All(err)[0].Fix; !strings.Contains(fix, "kubectl auth can-i") {
		t.Errorf("fix %q", fix)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// TestSecretsOfAPlanShowHashes goes through the API, where stringData becomes data.
func TestSecretsOfAPlanShowHashes(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	secret := func(value string) Set {
		one := r.configMap("s", nil)
		one.SetKind("Secret")
		one.Object["stringData"] = map[string]any{"token": value}
		delete(one.Object, "data")
		return r.set(one)
	}
	r.run(t, secret("hush-hush"))
	plan := must(r.Plan(t.Context(), secret("other")))(t)
	for _, change := range plan.Changes {
		for _, field := range change.Diff {
			if change.Kind == "Secret" && (!strings.HasPrefix(field.Old, "sha256:") || !strings.HasPrefix(field.New, "sha256:")) {
				t.Errorf("%s shows %q and %q", field.Path, field.Old, field.New)
			}
		}
	}
	if plan.Writes() != 1 {
		t.Errorf("got %q", actions(plan.Changes))
	}
}

func TestNewSecretIsAPreview(t *testing.T) {
	t.Parallel()
	change := NewSecret("istio-system", "istio-remote-secret-west")
	if change.Action != Created || change.Object() != "Secret istio-system/istio-remote-secret-west" {
		t.Errorf("got %+v", change)
	}
}
