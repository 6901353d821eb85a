package watch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// hasFault requires one fault with a reason, of a resource and with a text.
func (r *rig) hasFault(t *testing.T, reason Reason, resource, text string) {
	t.Helper()
	for _, one := range r.cluster.Status().Faults {
		if one.Reason == reason && one.Resource == resource && strings.Contains(one.Message, text) {
			return
		}
	}
	t.Errorf("no fault %s of %q with %q in %+v", reason, resource, text, r.cluster.Status().Faults)
}

// TestTheAPIServerDiesAndComesBack is F01, and F05 for the attempts in between.
func TestTheAPIServerDiesAndComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(20) })
		r.want(t, "ready shop/cart=20")
		before := r.changes()
		r.do(func() { r.refusing, r.dials = true, 0 })
		r.cut()
		after(time.Second)
		r.want(t, "degraded shop/cart=20")
		r.hasFault(t, Unreachable, "", "connection refused")
		after(10 * time.Minute)
		// One at a time, and on average every half of the longest pause.
		if dials := r.dialled(); dials > 400 || dials < 60 {
			t.Errorf("%d attempts in 10 minutes", dials)
		}
		after(5 * time.Minute)
		r.want(t, "stale shop/cart=20")
		r.do(func() { r.refusing = false })
		after(5*time.Second + 500*time.Millisecond)
		r.want(t, "ready shop/cart=20")
		if r.changes() != before {
			t.Error("services changed though nothing did")
		}
	})
}

// TestAWatchThatEndsProperlyIsNoFault is what every API server does each half hour.
func TestAWatchThatEndsProperlyIsNoFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
		before := r.count()
		r.live(30 * time.Minute)
		once := func(want int) {
			t.Helper()
			for _, resource := range []string{"services", "endpointslices", "serviceexports", "gateways"} {
				if got, counted := r.cluster.Status().Counts.Reopened[resource]; got != want || !counted {
					t.Errorf("watches of %s were reopened %d times, want %d", resource, got, want)
				}
			}
		}
		once(0)
		for _, path := range []string{servicePath, slicePath, exportPath, gatewayPath} {
			r.say(path, []byte{})
		}
		after(time.Second)
		once(1)
		r.put(kubeSlice("shop", "cart-1", "cart", 4))
		r.want(t, "ready shop/cart=4")
		if r.count() != before+1 {
			t.Errorf("%d offers", r.count()-before)
		}
	})
}

// TestAnotherClusterAtTheSameAddress is F14.
func TestAnotherClusterAtTheSameAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
		after(time.Second)
		r.want(t, "ready shop/cart=3")
		r.do(func() {
			r.uid, r.refusing = "uid-2", true
			clear(r.objects[slicePath])
		})
		r.cut()
		synctest.Wait()
		r.put(kubeService("shop", "evil"), kubeExport("shop", "evil"))
		r.do(func() { r.refusing = false })
		after(6 * time.Second)
		if got := r.last().Member.State; got != model.Quarantined || len(r.last().Services) > 1 {
			t.Fatalf("got %s", r.summary())
		}
		r.hasFault(t, IdentityChanged, "", "another cluster")
		r.put(kubeSlice("shop", "cart-1", "cart", 9))
		after(5 * time.Minute)
		if got := sizeOf(r.last().Services[cart].Slices); got != 3 {
			t.Fatalf("%d endpoints: something was imported", got)
		}
		after(10 * time.Minute)
		r.want(t, "quarantined")
		r.do(func() { r.uid = "uid-1" })
		after(6 * time.Second)
		r.want(t, "ready shop/cart=9 shop/evil=0")
	})
}

// TestTheWrongClusterFromTheStart is F14 without any event before.
func TestTheWrongClusterFromTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) {
			api.shop(3)
			api.uid = "uid-2"
		})
		after(time.Minute)
		r.want(t, "quarantined")
		if r.seen(slicePath) != 0 {
			t.Error("endpoints were asked for")
		}
	})
}

// TestAListThatLostMuchIsConfirmed is F15.
func TestAListThatLostMuchIsConfirmed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before, after int
		again         bool // the endpoints are back in the second list
		held          bool
	}{
		"all are lost":                     {20, 0, false, true},
		"all are lost, and back at once":   {20, 0, true, true},
		"most are lost":                    {40, 19, false, true},
		"half of them are lost":            {40, 20, false, false},
		"most are lost, but they were few": {10, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(tc.before) })
				full := fmt.Sprintf("shop/cart=%d", tc.before)
				small := fmt.Sprintf("shop/cart=%d", tc.after)
				r.want(t, "ready "+full)
				r.do(func() {
					r.objects[slicePath] = map[string]metav1.Object{}
					if tc.after > 0 {
						r.objects[slicePath]["shop/cart-1"] = kubeSlice("shop", "cart-1", "cart", tc.after)
					}
				})
				expire(r, slicePath)
				after(time.Second)
				if !tc.held {
					r.want(t, "ready "+small)
					return
				}
				r.want(t, "degraded "+full)
				r.hasFault(t, ListHeld, "endpointslices.discovery.k8s.io", "")
				if tc.again {
					r.do(func() { r.objects[slicePath]["shop/cart-1"] = kubeSlice("shop", "cart-1", "cart", tc.before) })
					small = full
				}
				after(5 * time.Second)
				r.want(t, "ready "+small)
			})
		})
	}
}

// expire ends the watches of a path as a server does that forgot the revision.
func expire(r *rig, path string) {
	status := metav1Status{code: http.StatusGone, message: "too old resource version"}
	if inJSON(path) {
		r.say(path, fmt.Appendf(nil, `{"type":"ERROR","object":{"kind":"Status","code":%d,"message":%q}}`, status.code, status.message))
		return
	}
	r.say(path, frame("ERROR", status.envelope()))
}

func TestListsOfOtherResourcesAreConfirmedToo(t *testing.T) {
	t.Parallel()
	for _, path := range []string{servicePath, exportPath} {
		t.Run(path, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(20) })
				r.do(func() { clear(r.objects[path]) })
				expire(r, path)
				after(time.Second)
				r.want(t, "degraded shop/cart=20")
				after(5 * time.Second)
				r.want(t, "ready")
			})
		})
	}
}

func TestDeletesAreNeverHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(200) })
		r.delete(kubeSlice("shop", "cart-1", "cart", 0))
		r.want(t, "ready shop/cart=0")
	})
}

// TestTheStoreGoesBackInTime is F13.
func TestTheStoreGoesBackInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(5) })
		r.put(kubeSlice("shop", "cart-2", "cart", 1))
		r.want(t, "ready shop/cart=6")
		r.do(func() {
			delete(r.objects[slicePath], "shop/cart-2")
			r.revision = 50
		})
		r.cut()
		after(time.Second)
		r.want(t, "ready shop/cart=5")
	})
}

// TestARevokedToken is F17.
func TestARevokedToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
		r.want(t, "ready shop/cart=3")
		r.answer("", http.StatusUnauthorized)
		r.cut()
		after(15 * time.Second)
		r.want(t, "degraded shop/cart=3")
		r.hasFault(t, Unauthorized, "", "list namespaces")
		before := r.seen("")
		after(10 * time.Minute)
		if got := r.seen("") - before; got > 20 {
			t.Errorf("%d requests in 10 minutes", got)
		}
		r.answerAsUsual()
		after(31 * time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

// TestTheStoreDies is F11: watches stay open, but a quorum cannot be read.
func TestTheStoreDies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
		r.do(func() {
			r.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/v1/namespaces" {
					<-r.Context().Done()
					return true
				}
				return false
			}
		})
		after(16 * time.Second)
		r.want(t, "degraded shop/cart=3")
		r.answerAsUsual()
		after(11 * time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

// TestARefusedResource is F19.
func TestARefusedResource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
		r.answer(slicePath, http.StatusForbidden)
		r.say(slicePath, []byte{})
		after(6 * time.Second)
		r.want(t, "degraded shop/cart=3")
		r.hasFault(t, Forbidden, "endpointslices.discovery.k8s.io", "list and watch endpointslices.discovery.k8s.io")
		if faults := r.cluster.Status().Faults; len(faults) != 1 {
			t.Errorf("others are in trouble too: %+v", faults)
		}
		r.put(kubeService("shop", "pay"), kubeExport("shop", "pay"))
		r.want(t, "degraded shop/cart=3 shop/pay=0")
		r.answerAsUsual()
		after(6 * time.Second)
		r.want(t, "ready shop/cart=3 shop/pay=0")
	})
}

// TestRetryAfter is F09.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status   int
		asked    string
		from, to time.Duration
	}{
		"20 seconds":               {http.StatusTooManyRequests, "20", 20 * time.Second, 22 * time.Second},
		"a minute is the most":     {http.StatusTooManyRequests, "7200", 60 * time.Second, 66 * time.Second},
		"of an unavailable server": {http.StatusServiceUnavailable, "20", 20 * time.Second, 22 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
				r.answer("", tc.status, "Retry-After", tc.asked)
				r.say(slicePath, []byte{})
				after(0)
				r.want(t, "degraded shop/cart=3")
				r.answerAsUsual()
				before := r.seen("")
				after(tc.from - time.Millisecond)
				if got := r.seen("") - before; got != 0 {
					t.Errorf("%d requests too early", got)
				}
				after(tc.to - tc.from + 6*time.Second)
				r.want(t, "ready shop/cart=3")
			})
		})
	}
}

// TestServiceExportsAreNotServed is F21.
func TestServiceExportsAreNotServed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(20) })
		r.want(t, "ready shop/cart=20")
		served := r.objects[exportPath]
		r.do(func() { delete(r.objects, exportPath) })
		r.say(exportPath, []byte{})
		after(25 * time.Second)
		r.want(t, "degraded shop/cart=20")
		r.hasFault(t, Missing, "serviceexports.multicluster.x-k8s.io", "")
		after(10 * time.Second)
		r.want(t, "ready")
		if !r.cluster.Status().ExportsByPolicyOnly {
			t.Error("status does not say so")
		}
		r.do(func() { r.objects[exportPath] = served })
		after(31 * time.Second)
		r.want(t, "ready shop/cart=20")
	})
}

func TestServiceExportsOfTheOldVersionOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) {
			api.shop(2)
			api.objects[exportOld] = api.objects[exportPath]
			delete(api.objects, exportPath)
		})
		r.want(t, "ready shop/cart=2")
	})
}

func TestServiceExportsWereNeverServed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) {
			api.put(kubeService("shop", "cart"))
			delete(api.objects, exportPath)
		})
		r.want(t, "ready")
		r.do(func() { r.objects[exportPath] = map[string]metav1.Object{} })
		r.put(kubeExport("shop", "cart"))
		after(31 * time.Second)
		r.want(t, "ready shop/cart=0")
	})
}

// TestASilentWatch is F22.
func TestASilentWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
		r.do(func() { r.silent = true })
		r.put(kubeSlice("shop", "cart-1", "cart", 4))
		after(3*time.Minute - time.Second)
		r.want(t, "ready shop/cart=3")
		after(2 * time.Second)
		r.want(t, "ready shop/cart=4")
	})
}

// TestBrokenFrames is F23 and H06: the stream is closed and resumed, and what is
// known stays.
func TestBrokenFrames(t *testing.T) {
	t.Parallel()
	good := frame("MODIFIED", envelope("EndpointSlice", kubeSlice("shop", "cart-1", "cart", 9)))
	for name, tc := range map[string]struct {
		raw    []byte
		reason Reason
	}{
		"garbage in a frame":     {append(binary.BigEndian.AppendUint32(nil, 8), "garbage!"...), Garbled},
		"garbage in an object":   {frame("MODIFIED", []byte("k8s\x00garbage")), Garbled},
		"no protobuf":            {frame("MODIFIED", []byte(`{"kind":"EndpointSlice"}`)), Garbled},
		"another kind":           {frame("MODIFIED", envelope("Service", kubeService("a", "b"))), Garbled},
		"an event of no type":    {frame("EXPLODED", good[4:]), Garbled},
		"an object of 10 GB":     {[]byte{0xff, 0xff, 0xff, 0xff}, TooLarge},
		"an object over 3 MiB":   {binary.BigEndian.AppendUint32(nil, maxObject+1), TooLarge},
		"an error of the server": {frame("ERROR", metav1Status{500, "etcd is gone"}.envelope()), ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
				r.want(t, "ready shop/cart=3")
				before := r.changes()
				r.say(slicePath, tc.raw)
				after(0)
				r.want(t, "degraded shop/cart=3")
				r.hasFault(t, tc.reason, "endpointslices.discovery.k8s.io", "")
				after(6 * time.Second)
				r.want(t, "ready shop/cart=3")
				if r.changes() != before {
					t.Error("the store was touched")
				}
			})
		})
	}
}

func TestATruncatedFrame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) { api.shop(3) })
		good := frame("MODIFIED", envelope("EndpointSlice", kubeSlice("shop", "cart-1", "cart", 9)))
		r.say(slicePath, good[:len(good)/2])
		r.say(slicePath, []byte{})
		after(0)
		r.want(t, "degraded shop/cart=3")
		r.hasFault(t, Garbled, "endpointslices.discovery.k8s.io", "cut")
		after(6 * time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

// TestHostileAnswers are H06 and H07 at the first request for slices.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter)
		reason Reason
	}{
		"a redirect to the metadata server": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://169.254.169.254/latest")
			w.WriteHeader(http.StatusFound)
		}, ServerError},
		"another content type": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in</html>")
		}, Garbled},
		"a list without an end": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", acceptObjects)
		}, Garbled},
		"an endless error": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
		}, ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeAPI, _ *Options) {
					api.shop(3)
					api.intercept = func(w http.ResponseWriter, r *http.Request) bool {
						if r.URL.Path == slicePath {
							tc.answer(w)
						}
						return r.URL.Path == slicePath
					}
				})
				after(10 * time.Second)
				r.want(t, "joining")
				r.hasFault(t, tc.reason, "endpointslices.discovery.k8s.io", "")
				if r.seen("/latest") != 0 {
					t.Error("the redirect was followed")
				}
			})
		})
	}
}

// TestAServerThatCannotListInAWatch gets pages instead.
func TestAServerThatCannotListInAWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) {
			api.shop(3)
			api.intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("sendInitialEvents") == "" {
					return false
				}
				w.WriteHeader(http.StatusUnprocessableEntity)
				return true
			}
		})
		r.want(t, "ready shop/cart=3")
		r.put(kubeSlice("shop", "cart-1", "cart", 4))
		r.want(t, "ready shop/cart=4")
		r.do(func() {
			if got := strings.Count(strings.Join(r.requests, "\n"), "limit=500"); got != resourceCount {
				t.Errorf("%d lists", got)
			}
		})
	})
}

// TestAListThatTricklesForEver is bounded in time though its bytes never stop.
func TestAListThatTricklesForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeAPI, _ *Options) {
			api.intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != slicePath {
					return false
				}
				w.Header().Set("Content-Type", acceptObjects)
				for r.Context().Err() == nil {
					if _, err := w.Write(frame("ADDED", envelope("EndpointSlice", kubeSlice("shop", "x", "x", 1)))); err != nil {
						return true
					}
					_ = http.NewResponseController(w).Flush()
					select {
					case <-r.Context().Done():
					case <-time.After(10 * time.Second):
					}
				}
				return true
			}
		})
		after(5*time.Minute + time.Second)
		r.want(t, "joining")
		r.hasFault(t, Stalled, "endpointslices.discovery.k8s.io", "")
	})
}
