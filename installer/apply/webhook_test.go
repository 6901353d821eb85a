package apply

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// webhook is an admission webhook that the API server really calls. It lets dry
// runs pass, and does with other requests what a test wants.
type webhook struct {
	// answer is called with the number of the try, from 1; false is no answer.
	answer func(try int) (allowed, answered bool)

	mu    sync.Mutex
	tries int
}

func (w *webhook) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	review := admissionv1.AdmissionReview{}
	if err := json.NewDecoder(request.Body).Decode(&review); err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	response := &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	if review.Request.DryRun == nil || !*review.Request.DryRun {
		w.mu.Lock()
		w.tries++
		try := w.tries
		w.mu.Unlock()
		allowed, answered := w.answer(try)
		if !answered {
			<-request.Context().Done()
			return
		}
		response.Allowed = allowed
		response.Result = &metav1.Status{Message: "the house rules forbid it"}
	}
	review.Request, review.Response = nil, response
	_ = json.NewEncoder(out).Encode(review)
}

func (w *webhook) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tries
}

// install makes the API server ask the webhook of every ConfigMap of the test.
func (w *webhook) install(t *testing.T, r *rig) {
	t.Helper()
	server := httptest.NewTLSServer(w)
	t.Cleanup(server.Close)
	url := server.URL
	fail, none, seconds := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, int32(1)
	hooks := r.kube.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	must(hooks.Create(t.Context(), &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: r.namespace},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "house.rules.example",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: &url, CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE"},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"test": r.namespace}},
			FailurePolicy:     &fail, SideEffects: &none, TimeoutSeconds: &seconds, AdmissionReviewVersions: []string{"v1"},
		}},
	}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() { _ = hooks.Delete(context.Background(), r.namespace, metav1.DeleteOptions{}) })
	w.awaitInstalled(t, r)
}

// awaitInstalled writes until the API server asks: it learns of webhooks by a
// watch of its own.
func (w *webhook) awaitInstalled(t *testing.T, r *rig) {
	t.Helper()
	answer := w.answer
	w.answer = func(int) (bool, bool) { return true, true }
	err := Poll(t.Context(), func(ctx context.Context) (bool, error) {
		_, err := r.patch(ctx, r.configMap("canary", nil), false)
		return w.count() > 0, err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer, w.tries = answer, 0
}

// TestWebhooks is F50: what a webhook says is passed on with exit code 3; a
// denial is final, a timeout is tried again, three times in all.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(try int) (allowed, answered bool)
		tries  int
		want   string // in the error; empty: it is written
	}{
		"denies":              {func(int) (bool, bool) { return false, true }, 1, "the house rules forbid it"},
		"never answers":       {func(int) (bool, bool) { return false, false }, 3, "failed calling webhook"},
		"answers the second":  {func(try int) (bool, bool) { return true, try > 1 }, 2, ""},
		"denies after a wait": {func(try int) (bool, bool) { return false, try > 1 }, 2, "the house rules forbid it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, Options{})
			hook := &webhook{answer: tc.answer}
			hook.install(t, r)
			plan := must(r.Plan(t.Context(), r.set(r.configMap("a", nil))))(t)
			err := r.Apply(t.Context(), plan, nil)
			if tries := hook.count(); tries != tc.tries {
				t.Errorf("tried %d times, want %d", tries, tc.tries)
			}
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantProblem(t, err, problem.Cluster, "ApplyFailed", tc.want)
			if problem.ExitCode(err) != problem.ExitCluster || strings.Contains(problem.All(err)[0].Fix, "rights") {
				t.Errorf("exit code %d, fix %q", problem.ExitCode(err), problem.All(err)[0].Fix)
			}
		})
	}
}
