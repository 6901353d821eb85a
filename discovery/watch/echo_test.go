package watch

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestAnEchoOfTheToken is a neighbour of H01: an API server, or what stands in front of
// it, says back what it was sent. What is shown of its words has no credential.
func TestAnEchoOfTheToken(t *testing.T) {
	const token = "a-token-that-must-not-be-seen"
	said := func(w http.ResponseWriter, r *http.Request) []byte {
		w.Header().Set("Content-Type", acceptObjects)
		return fakeapi.Envelope("Status", &metav1.Status{Message: "who is " + r.Header.Get("Authorization") + strings.Repeat(".", 300)})
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"in a refusal": func(w http.ResponseWriter, r *http.Request) {
			content := said(w, r)
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(content)
		},
		"in an event": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(fakeapi.Frame("ERROR", said(w, r)))
		},
		"as a type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.Header.Get("Authorization"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var echoes atomic.Bool
				r := newRig(t, func(api *fakeapi.Server, o *Options) {
					shop(api, 1)
					o.Config.BearerToken = token
					api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
						if !echoes.Load() || r.URL.Path != fakeapi.SlicePath {
							return false
						}
						answer(w, r)
						return true
					}
				})
				r.want(t, "ready shop/cart=1")
				echoes.Store(true)
				r.Cut()
				after(defaultTiming.backoffMost)
				faults := r.cluster.Status().Faults
				if len(faults) == 0 {
					t.Fatal("there is no fault")
				}
				for _, one := range faults {
					if strings.Contains(one.Message, token) || !strings.Contains(one.Message, hidden) {
						t.Errorf("shown is %s", one.Message)
					}
				}
			})
		})
	}
}
