package watch

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// TestAFloodOfEndpoints is F55 by the limits of services and endpoints, which decide by
// name: a million endpoints where there is time for that, and else a tenth, with a tenth
// of the limits. Whatever order they come in, the same is left; memory is bounded; and
// another member is watched as ever. It is not parallel: it looks at the heap.
func TestAFloodOfEndpoints(t *testing.T) {
	services, limits := 100, Limits{Endpoints: 10_000, Bytes: 64 << 20 / 10}
	if os.Getenv("EASTWEST_FAULTS") == "all" {
		services, limits = 1000, Limits{Endpoints: 100_000, Bytes: 64 << 20}
	}
	const slicesEach, endpointsEach = 10, 100
	var summaries []string
	for _, backwards := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			before := heap()
			other := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 1) })
			r := newRig(t, func(api *fakeapi.Server, o *Options) {
				o.Limits = limits
				for i := range services {
					name := fmt.Sprintf("s%04d", i)
					api.Put(kubeService("shop", name), kubeExport("shop", name))
				}
				api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != fakeapi.SlicePath {
						return false
					}
					w.Header().Set("Content-Type", acceptObjects)
					for i := range services * slicesEach {
						if backwards {
							i = services*slicesEach - 1 - i
						}
						one := kubeSlice("shop", fmt.Sprintf("slice-%05d", i), fmt.Sprintf("s%04d", i/slicesEach), endpointsEach)
						if _, err := w.Write(fakeapi.Frame("ADDED", fakeapi.Envelope("EndpointSlice", one))); err != nil {
							return true
						}
					}
					_, _ = w.Write(endOfList(api))
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
					return true
				}
			})
			other.Put(kubeSlice("shop", "cart-1", "cart", 2))
			other.want(t, "ready shop/cart=2")
			after(time.Second)
			r.hasProblem(t, ProblemEndpoints)
			status := r.cluster.Status()
			if status.Counts.OfferedEndpoints != limits.Endpoints || status.Counts.Bytes > limits.Bytes {
				t.Errorf("got %+v", status.Counts)
			}
			whole := limits.Endpoints / slicesEach / endpointsEach
			for i := range services {
				want := 0
				if i < whole {
					want = slicesEach * endpointsEach
				}
				if one := fmt.Sprintf("shop/s%04d=%d", i, want); !slices.Contains(strings.Fields(r.summary()), one) {
					t.Fatalf("no %s in %.200s", one, r.summary())
				}
			}
			grown := int64(heap()) - int64(before)
			t.Logf("figure: %d endpoints: %d KiB kept as counted, %d KiB on the heap", services*slicesEach*endpointsEach, status.Counts.Bytes>>10, grown>>10)
			if grown > 2*int64(limits.Bytes) {
				t.Errorf("%d KiB are on the heap", grown>>10)
			}
			summaries = append(summaries, r.summary())
		})
	}
	if len(summaries) != 2 || summaries[0] != summaries[1] {
		t.Error("the order in which endpoints came decides which are left")
	}
}

// TestARedirectOfAMemberInUse is a neighbour of H07: a member that was read begins to
// redirect everything, its identity first. Nothing is asked elsewhere, and what it
// offered stays.
func TestARedirectOfAMemberInUse(t *testing.T) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
				r.want(t, "ready shop/cart=3")
				r.Do(func() {
					r.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
						if r.URL.Path == "/elsewhere" {
							return true
						}
						w.Header().Set("Location", "/elsewhere")
						w.Header().Set("Refresh", "0; url=/elsewhere")
						w.Header().Set("Alt-Svc", `h2="elsewhere:443"`)
						w.WriteHeader(status)
						return true
					}
				})
				r.Say(fakeapi.SlicePath, []byte{})
				after(time.Minute)
				r.want(t, "degraded shop/cart=3")
				r.hasFault(t, ServerError, "", "redirects are not followed")
				if r.Seen("/elsewhere") != 0 {
					t.Error("the redirect was followed")
				}
				answerAsUsual(r.Server)
				after(time.Minute)
				r.want(t, "ready shop/cart=3")
			})
		})
	}
}

// endOfList is the bookmark behind the slices that a watch begins with.
func endOfList(api *fakeapi.Server) []byte {
	end := &discoveryv1.EndpointSlice{}
	api.Do(func() { end.ResourceVersion = strconv.Itoa(api.Revision) })
	end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	return fakeapi.Frame("BOOKMARK", fakeapi.Envelope("EndpointSlice", end))
}
