package watch

import (
	"errors"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

func (r *rig) replace(t *testing.T, change func(o *Options)) {
	t.Helper()
	next := Options{Record: record(), Config: r.Config()}
	if change != nil {
		change(&next)
	}
	if err := r.cluster.Replace(next.Record, next.Config); err != nil {
		t.Fatal(err)
	}
}

// TestACredentialIsSwapped100Times is F18: nothing is removed, nothing changes,
// and nothing is left behind.
func TestACredentialIsSwapped100Times(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 50) })
		r.want(t, "ready shop/cart=50")
		before, offer, goroutines := r.count(), r.last().Services.Get(cart), runtime.NumGoroutine()
		for range 100 {
			r.replace(t, nil)
			after(time.Second)
		}
		if r.count() != before || r.last().Services.Get(cart) != offer {
			t.Errorf("%d offers for nothing", r.count()-before)
		}
		if got := r.cluster.Status().Swaps; got != 100 {
			t.Errorf("%d swaps", got)
		}
		// Other tests run at the same time; a leak would be of hundreds.
		if got := runtime.NumGoroutine(); got > goroutines+200 {
			t.Errorf("%d goroutines, %d before", got, goroutines)
		}
		r.Do(func() {
			if open := len(r.Conns); open > resourceCount+2 {
				t.Errorf("%d connections are open", open)
			}
		})
		r.Put(kubeSlice("shop", "cart-1", "cart", 51))
		r.want(t, "ready shop/cart=51")
	})
}

// TestSwapsUnderChurn changes the member while credentials are swapped.
func TestSwapsUnderChurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 50) })
		for i := range 50 {
			r.replace(t, nil)
			r.Put(kubeSlice("shop", "cart-1", "cart", 50+i))
			if i%3 == 0 {
				after(time.Second)
			}
			if got := sizeOf(r.last().Services.Get(cart).Slices); got < 50 {
				t.Fatalf("%d endpoints", got)
			}
		}
		r.want(t, "ready shop/cart=99")
	})
}

// TestABadCredentialStaysOutside keeps the old one as long as the new one is no
// good.
func TestABadCredentialStaysOutside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			shop(api, 3)
			api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Authorization") == "Bearer bad" {
					w.WriteHeader(http.StatusUnauthorized)
					return true
				}
				return false
			}
		})
		r.replace(t, func(o *Options) { o.Config.BearerToken = "bad" })
		after(5 * time.Minute)
		r.Put(kubeSlice("shop", "cart-1", "cart", 4))
		r.want(t, "ready shop/cart=4")
		if pending := r.cluster.Status().Pending; len(pending) != 1 || pending[0].Reason != Unauthorized {
			t.Errorf("pending %+v", pending)
		}
		r.replace(t, nil)
		after(time.Second)
		if pending := r.cluster.Status().Pending; len(pending) != 0 {
			t.Errorf("pending %+v", pending)
		}
	})
}

// TestAGoodCredentialEndsATrouble recovers a member whose credential was revoked.
func TestAGoodCredentialEndsATrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 3)
			o.Config.BearerToken = "old"
		})
		r.Do(func() {
			r.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Authorization") == "Bearer old" {
					w.WriteHeader(http.StatusUnauthorized)
					return true
				}
				return false
			}
		})
		r.Cut()
		after(time.Minute)
		r.want(t, "degraded shop/cart=3")
		r.replace(t, nil)
		after(time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

// TestANewCredentialOfAnotherCluster is not taken.
func TestANewCredentialOfAnotherCluster(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		other := fakeapi.New(t)
		other.UID = "uid-2"
		r.replace(t, func(o *Options) { o.Config = other.Config() })
		after(time.Minute)
		r.want(t, "ready shop/cart=3")
		if other.Seen(fakeapi.SlicePath) != 0 {
			t.Error("endpoints were asked for")
		}
	})
}

// TestASwapThatWouldLoseMuchIsConfirmed is F15 for a new credential that sees
// nothing.
func TestASwapThatWouldLoseMuchIsConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 30) })
		after(time.Second)
		empty := fakeapi.New(t)
		r.replace(t, func(o *Options) { o.Config = empty.Config() })
		after(4 * time.Second)
		r.want(t, "ready shop/cart=30")
		shop(empty, 30)
		after(6 * time.Second)
		r.want(t, "ready shop/cart=30")
	})
}

// TestASwapWaitsForNoStoreThatWentBack: what was applied before it did never comes again.
func TestASwapWaitsForNoStoreThatWentBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 5) })
		r.Put(kubeSlice("shop", "cart-2", "cart", 1))
		r.want(t, "ready shop/cart=6")
		r.Do(func() {
			delete(r.Objects[fakeapi.SlicePath], "shop/cart-2")
			r.Revision = 50
		})
		r.replace(t, nil)
		after(time.Minute)
		r.want(t, "ready shop/cart=5")
		if swaps := r.cluster.Status().Swaps; swaps != 1 {
			t.Errorf("%d swaps, want 1", swaps)
		}
	})
}

// TestARecordIsReplaced applies another record to what is already known.
func TestARecordIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 5) })
		other := func(o *Options) {
			o.Record.PodCIDRs, o.Record.Region, o.Record.Advertised = []string{"10.1.0.0/31"}, "eu", []string{"192.0.2.1:15443"}
		}
		r.replace(t, other)
		after(10 * time.Second)
		r.want(t, "ready shop/cart=1")
		if member := r.last().Member; member.Region != "eu" || len(member.Gateways) != 1 {
			t.Errorf("got %+v", member)
		}
		r.replace(t, func(o *Options) {
			other(o)
			o.Record.GatewayCIDRs = []string{"192.0.2.0/24"}
		})
		after(10 * time.Second)
		if member := r.last().Member; len(member.GatewayCIDRs) != 1 {
			t.Errorf("only other gateway CIDRs are no other member: %+v", member)
		}
	})
}

func TestReplaceRejectsWhatCannotBeUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		wrong := record()
		wrong.PodCIDRs = []string{"x"}
		if err := r.cluster.Replace(wrong, r.Config()); err == nil {
			t.Error("a record without sense was taken")
		}
		config := r.Config()
		config.Host = "https://a b"
		if err := r.cluster.Replace(record(), config); err == nil {
			t.Error("a server without sense was taken")
		}
		r.want(t, "ready shop/cart=3")
		r.cluster.Stop()
		<-r.done
		if err := errors.Join(r.cluster.Replace(record(), r.Config())); err != nil {
			t.Errorf("after the end: %v", err)
		}
		synctest.Wait()
	})
}
