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
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
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
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 20) })
		r.want(t, "ready shop/cart=20")
		before := r.changes()
		r.Do(func() { r.Refusing, r.Dials = true, 0 })
		r.Cut()
		after(time.Second)
		r.want(t, "degraded shop/cart=20")
		r.hasFault(t, Unreachable, "", "connection refused")
		after(10 * time.Minute)
		// One at a time, and on average every half of the longest pause.
		if dials := r.Dialled(); dials > 400 || dials < 60 {
			t.Errorf("%d attempts in 10 minutes", dials)
		}
		after(5 * time.Minute)
		r.want(t, "stale shop/cart=20")
		r.Do(func() { r.Refusing = false })
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
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
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
		for _, path := range []string{fakeapi.ServicePath, fakeapi.SlicePath, fakeapi.ExportPath} {
			r.Say(path, []byte{})
		}
		after(time.Second)
		once(1)
		r.Put(kubeSlice("shop", "cart-1", "cart", 4))
		r.want(t, "ready shop/cart=4")
		if r.count() != before+1 {
			t.Errorf("%d offers", r.count()-before)
		}
	})
}

// TestAnotherClusterAtTheSameAddress is F14.
func TestAnotherClusterAtTheSameAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		after(time.Second)
		r.want(t, "ready shop/cart=3")
		r.Do(func() {
			r.UID, r.Refusing = "uid-2", true
			clear(r.Objects[fakeapi.SlicePath])
		})
		r.Cut()
		synctest.Wait()
		r.Put(kubeService("shop", "evil"), kubeExport("shop", "evil"))
		r.Do(func() { r.Refusing = false })
		after(6 * time.Second)
		if got := r.last().Member.State; got != model.Quarantined || r.last().Services.Len() > 1 {
			t.Fatalf("got %s", r.summary())
		}
		r.hasFault(t, IdentityChanged, "", "another cluster")
		r.Put(kubeSlice("shop", "cart-1", "cart", 9))
		after(5 * time.Minute)
		if got := sizeOf(r.last().Services.Get(cart).Slices); got != 3 {
			t.Fatalf("%d endpoints: something was imported", got)
		}
		after(10 * time.Minute)
		r.want(t, "quarantined")
		r.Do(func() { r.UID = "uid-1" })
		after(6 * time.Second)
		r.want(t, "ready shop/cart=9 shop/evil=0")
	})
}

// TestWhatWasDroppedStaysAway is F14 followed by F01: that another cluster cannot be
// reached brings back nothing of the one before. Only that one does.
func TestWhatWasDroppedStaysAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		r.Do(func() { r.UID = "uid-2" })
		r.Cut()
		after(16 * time.Minute)
		r.want(t, "quarantined")
		r.Do(func() { r.Refusing = true })
		r.Cut()
		after(time.Minute)
		r.want(t, "stale")
		r.Do(func() { r.Refusing = false })
		after(time.Minute)
		r.want(t, "quarantined")
		r.Do(func() { r.UID = "uid-1" })
		after(time.Minute)
		r.want(t, "ready shop/cart=3")
	})
}

// TestTheWrongClusterFromTheStart is F14 without any event before.
func TestTheWrongClusterFromTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			shop(api, 3)
			api.UID = "uid-2"
		})
		after(time.Minute)
		r.want(t, "quarantined")
		if r.Seen(fakeapi.SlicePath) != 0 {
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
				r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, tc.before) })
				full := fmt.Sprintf("shop/cart=%d", tc.before)
				small := fmt.Sprintf("shop/cart=%d", tc.after)
				r.want(t, "ready "+full)
				r.Do(func() {
					r.Objects[fakeapi.SlicePath] = map[string]metav1.Object{}
					if tc.after > 0 {
						r.Objects[fakeapi.SlicePath]["shop/cart-1"] = kubeSlice("shop", "cart-1", "cart", tc.after)
					}
				})
				expire(r, fakeapi.SlicePath)
				after(time.Second)
				if !tc.held {
					r.want(t, "ready "+small)
					return
				}
				r.want(t, "degraded "+full)
				r.hasFault(t, ListHeld, "endpointslices.discovery.k8s.io", "")
				if tc.again {
					r.Do(func() { r.Objects[fakeapi.SlicePath]["shop/cart-1"] = kubeSlice("shop", "cart-1", "cart", tc.before) })
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
	const message = "too old resource version"
	if path == fakeapi.ExportPath {
		r.Say(path, fmt.Appendf(nil, `{"type":"ERROR","object":{"kind":"Status","code":%d,"message":%q}}`, http.StatusGone, message))
		return
	}
	r.Say(path, fakeapi.Frame("ERROR", fakeapi.Status(http.StatusGone, message)))
}

func TestListsOfOtherResourcesAreConfirmedToo(t *testing.T) {
	t.Parallel()
	for _, path := range []string{fakeapi.ServicePath, fakeapi.ExportPath} {
		t.Run(path, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 20) })
				r.Do(func() { clear(r.Objects[path]) })
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
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 200) })
		r.Delete(kubeSlice("shop", "cart-1", "cart", 0))
		r.want(t, "ready shop/cart=0")
	})
}

// TestTheStoreGoesBackInTime is F13.
func TestTheStoreGoesBackInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 5) })
		r.Put(kubeSlice("shop", "cart-2", "cart", 1))
		r.want(t, "ready shop/cart=6")
		r.Do(func() {
			delete(r.Objects[fakeapi.SlicePath], "shop/cart-2")
			r.Revision = 50
		})
		r.Cut()
		after(time.Second)
		r.want(t, "ready shop/cart=5")
	})
}

// TestARevokedToken is F17.
func TestARevokedToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		r.want(t, "ready shop/cart=3")
		answer(r.Server, "", http.StatusUnauthorized)
		r.Cut()
		after(15 * time.Second)
		r.want(t, "degraded shop/cart=3")
		r.hasFault(t, Unauthorized, "", "list namespaces")
		before := r.Seen("")
		after(10 * time.Minute)
		if got := r.Seen("") - before; got > 20 {
			t.Errorf("%d requests in 10 minutes", got)
		}
		answerAsUsual(r.Server)
		after(31 * time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

// TestTheStoreDies is F11: watches stay open, but a quorum cannot be read.
func TestTheStoreDies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		r.Do(func() {
			r.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/v1/namespaces" {
					<-r.Context().Done()
					return true
				}
				return false
			}
		})
		after(16 * time.Second)
		r.want(t, "degraded shop/cart=3")
		answerAsUsual(r.Server)
		after(11 * time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

// TestARefusedResource is F19.
func TestARefusedResource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		answer(r.Server, fakeapi.SlicePath, http.StatusForbidden)
		r.Say(fakeapi.SlicePath, []byte{})
		after(6 * time.Second)
		r.want(t, "degraded shop/cart=3")
		r.hasFault(t, Forbidden, "endpointslices.discovery.k8s.io", "list and watch endpointslices.discovery.k8s.io")
		if faults := r.cluster.Status().Faults; len(faults) != 1 {
			t.Errorf("others are in trouble too: %+v", faults)
		}
		r.Put(kubeService("shop", "pay"), kubeExport("shop", "pay"))
		r.want(t, "degraded shop/cart=3 shop/pay=0")
		answerAsUsual(r.Server)
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
				r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
				answer(r.Server, "", tc.status, "Retry-After", tc.asked)
				r.Say(fakeapi.SlicePath, []byte{})
				after(0)
				r.want(t, "degraded shop/cart=3")
				answerAsUsual(r.Server)
				before := r.Seen("")
				after(tc.from - time.Millisecond)
				if got := r.Seen("") - before; got != 0 {
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
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 20) })
		r.want(t, "ready shop/cart=20")
		served := r.Objects[fakeapi.ExportPath]
		r.Do(func() { delete(r.Objects, fakeapi.ExportPath) })
		r.Say(fakeapi.ExportPath, []byte{})
		after(25 * time.Second)
		r.want(t, "degraded shop/cart=20")
		r.hasFault(t, Missing, "serviceexports.multicluster.x-k8s.io", "")
		after(10 * time.Second)
		r.want(t, "ready")
		if !r.cluster.Status().ExportsByPolicyOnly {
			t.Error("status does not say so")
		}
		r.Do(func() { r.Objects[fakeapi.ExportPath] = served })
		after(31 * time.Second)
		r.want(t, "ready shop/cart=20")
	})
}

func TestServiceExportsOfTheOldVersionOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			shop(api, 2)
			api.Objects[fakeapi.ExportOldPath] = api.Objects[fakeapi.ExportPath]
			delete(api.Objects, fakeapi.ExportPath)
		})
		r.want(t, "ready shop/cart=2")
	})
}

func TestServiceExportsWereNeverServed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			api.Put(kubeService("shop", "cart"))
			delete(api.Objects, fakeapi.ExportPath)
		})
		r.want(t, "ready")
		r.Do(func() { r.Objects[fakeapi.ExportPath] = map[string]metav1.Object{} })
		r.Put(kubeExport("shop", "cart"))
		after(31 * time.Second)
		r.want(t, "ready shop/cart=0")
	})
}

// TestASilentWatch is F22.
func TestASilentWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		r.Do(func() { r.Silent = true })
		r.Put(kubeSlice("shop", "cart-1", "cart", 4))
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
	good := fakeapi.Frame("MODIFIED", fakeapi.Envelope("EndpointSlice", kubeSlice("shop", "cart-1", "cart", 9)))
	for name, tc := range map[string]struct {
		raw    []byte
		reason Reason
	}{
		"garbage in a frame":     {append(binary.BigEndian.AppendUint32(nil, 8), "garbage!"...), Garbled},
		"garbage in an object":   {fakeapi.Frame("MODIFIED", []byte("k8s\x00garbage")), Garbled},
		"no protobuf":            {fakeapi.Frame("MODIFIED", []byte(`{"kind":"EndpointSlice"}`)), Garbled},
		"another kind":           {fakeapi.Frame("MODIFIED", fakeapi.Envelope("Service", kubeService("a", "b"))), Garbled},
		"an event of no type":    {fakeapi.Frame("EXPLODED", good[4:]), Garbled},
		"an object of 10 GB":     {[]byte{0xff, 0xff, 0xff, 0xff}, TooLarge},
		"an object over 3 MiB":   {binary.BigEndian.AppendUint32(nil, maxObject+1), TooLarge},
		"an error of the server": {fakeapi.Frame("ERROR", fakeapi.Status(500, "etcd is gone")), ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
				r.want(t, "ready shop/cart=3")
				before := r.changes()
				r.Say(fakeapi.SlicePath, tc.raw)
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
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		good := fakeapi.Frame("MODIFIED", fakeapi.Envelope("EndpointSlice", kubeSlice("shop", "cart-1", "cart", 9)))
		r.Say(fakeapi.SlicePath, good[:len(good)/2])
		r.Say(fakeapi.SlicePath, []byte{})
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
				r := newRig(t, func(api *fakeapi.Server, _ *Options) {
					shop(api, 3)
					api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
						if r.URL.Path == fakeapi.SlicePath {
							tc.answer(w)
						}
						return r.URL.Path == fakeapi.SlicePath
					}
				})
				after(10 * time.Second)
				r.want(t, "joining")
				r.hasFault(t, tc.reason, "endpointslices.discovery.k8s.io", "")
				if r.Seen("/latest") != 0 {
					t.Error("the redirect was followed")
				}
			})
		})
	}
}

// TestAServerThatCannotListInAWatch gets pages instead.
func TestAServerThatCannotListInAWatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			shop(api, 3)
			api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("sendInitialEvents") == "" {
					return false
				}
				w.WriteHeader(http.StatusUnprocessableEntity)
				return true
			}
		})
		r.want(t, "ready shop/cart=3")
		r.Put(kubeSlice("shop", "cart-1", "cart", 4))
		r.want(t, "ready shop/cart=4")
		r.Do(func() {
			if got := strings.Count(strings.Join(r.Requests, "\n"), "limit=500"); got != resourceCount {
				t.Errorf("%d lists", got)
			}
		})
	})
}

// TestAListThatTricklesForEver is bounded in time though its bytes never stop.
func TestAListThatTricklesForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != fakeapi.SlicePath {
					return false
				}
				w.Header().Set("Content-Type", acceptObjects)
				for r.Context().Err() == nil {
					if _, err := w.Write(fakeapi.Frame("ADDED", fakeapi.Envelope("EndpointSlice", kubeSlice("shop", "x", "x", 1)))); err != nil {
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
