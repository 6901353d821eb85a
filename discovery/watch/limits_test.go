package watch

import (
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

func (r *rig) hasProblem(t *testing.T, reason string) {
	t.Helper()
	for _, one := range r.cluster.Status().Problems {
		if one.Reason == reason {
			return
		}
	}
	t.Errorf("no problem %s in %+v", reason, r.cluster.Status().Problems)
}

// TestQuotas drops what is over a limit in the order of names, whatever came first.
func TestQuotas(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limits Limits
		want   string
		reason string
	}{
		"services":                 {Limits{Services: 2}, "ready shop/a=4 shop/b=4", ProblemServices},
		"endpoints":                {Limits{Endpoints: 6}, "ready shop/a=4 shop/b=2 shop/c=0", ProblemEndpoints},
		"endpoints at an edge":     {Limits{Endpoints: 8}, "ready shop/a=4 shop/b=4 shop/c=0", ProblemEndpoints},
		"both":                     {Limits{Services: 2, Endpoints: 5}, "ready shop/a=4 shop/b=1", ProblemServices},
		"nothing over, to the dot": {Limits{Services: 3, Endpoints: 12}, "ready shop/a=4 shop/b=4 shop/c=4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, order := range []string{"abc", "cba", "bca"} {
				t.Run(order, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						r := newRig(t, func(_ *fakeapi.Server, o *Options) { o.Limits = tc.limits })
						for _, c := range order {
							one := string(c)
							r.Put(kubeSlice("shop", one+"-1", one, 4), kubeExport("shop", one), kubeService("shop", one))
						}
						r.want(t, tc.want)
						if tc.reason != "" {
							r.hasProblem(t, tc.reason)
						}
						r.Delete(kubeService("shop", "a"), kubeService("shop", "b"))
						r.want(t, "ready shop/c=4")
						for _, one := range r.cluster.Status().Problems {
							if one.Reason == tc.reason {
								t.Errorf("still %+v", one)
							}
						}
					})
				})
			}
		})
	}
}

// TestACutOfferIsTheSameAgain lets changes of other services leave what was
// shortened alone.
func TestACutOfferIsTheSameAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			o.Limits.Endpoints = 6
			for _, one := range []string{"a", "b", "c"} {
				api.Put(kubeSlice("shop", one+"-1", one, 4), kubeExport("shop", one), kubeService("shop", one))
			}
		})
		r.want(t, "ready shop/a=4 shop/b=2 shop/c=0")
		before, changes := r.last().Services.Get(model.ServiceKey{Namespace: "shop", Name: "b"}), r.changes()
		r.Put(kubeSlice("shop", "c-1", "c", 9))
		r.want(t, "ready shop/a=4 shop/b=2 shop/c=0")
		if r.last().Services.Get(model.ServiceKey{Namespace: "shop", Name: "b"}) != before || r.changes() != changes {
			t.Error("what was cut already changed again")
		}
	})
}

// TestAFloodIsBounded is F55: endpoints without end, of services that are not
// exported and of one that is.
func TestAFloodIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const most = 100_000
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 100)
			o.Limits = Limits{Bytes: most, EventsPerSecond: 100_000}
		})
		for i := range 200 {
			r.Put(kubeSlice("shop", fmt.Sprintf("noise-%d", i), "noise", 100))
		}
		r.want(t, "ready shop/cart=100")
		r.Put(kubeSlice("shop", "cart-2", "cart", 100))
		r.want(t, "ready shop/cart=200")
		r.hasProblem(t, ProblemBytes)
		for i := range 200 {
			r.Put(kubeSlice("shop", fmt.Sprintf("cart-n%d", i), "cart", 100))
		}
		after(0)
		status := r.cluster.Status()
		if status.Counts.Bytes > most || status.Counts.OfferedEndpoints < 1000 || status.Counts.Dropped[DropTooLarge] == 0 {
			t.Errorf("got %+v", status.Counts)
		}
		for i := range 200 {
			r.Delete(kubeSlice("shop", fmt.Sprintf("cart-n%d", i), "cart", 100), kubeSlice("shop", fmt.Sprintf("noise-%d", i), "noise", 100))
		}
		r.live(2 * time.Minute)
		r.want(t, "ready shop/cart=200")
		for _, one := range r.cluster.Status().Problems {
			t.Errorf("still %+v", one)
		}
	})
}

// TestAnExportOfWhatWasRefused lists again.
func TestAnExportOfWhatWasRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			api.Put(kubeService("shop", "cart"), kubeService("shop", "noise"))
			for i := range 40 {
				api.Put(kubeSlice("shop", fmt.Sprintf("noise-%d", i), "noise", 100))
			}
			api.Put(kubeSlice("shop", "cart-1", "cart", 7))
			o.Limits.Bytes = 20_000
		})
		r.live(time.Minute)
		r.hasProblem(t, ProblemBytes)
		r.Put(kubeExport("shop", "cart"))
		r.live(time.Minute)
		if offer := r.last().Services.Get(cart); offer == nil {
			t.Fatalf("got %s", r.summary())
		}
	})
}

// TestEventsAreReadNoFasterThanAllowed keeps the rest in the member.
func TestEventsAreReadNoFasterThanAllowed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 1)
			o.Limits.EventsPerSecond = 10
		})
		after(time.Second)
		before := r.cluster.Status().Counts.Events
		for i := range 100 {
			r.Put(kubeSlice("shop", "cart-1", "cart", i+1))
		}
		after(4 * time.Second)
		if got := r.cluster.Status().Counts.Events - before; got > 60 {
			t.Errorf("%d events in 4 seconds", got)
		}
		after(10 * time.Second)
		r.want(t, "ready shop/cart=100")
	})
}

func TestHostileNamesAndNamespaces(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		namespace, service string
		allow, deny        []string
		offered            bool
		reason             string
	}{
		"a usual one":                      {"shop", "cart", nil, nil, true, ""},
		"kube-system/kube-dns":             {"kube-system", "kube-dns", nil, nil, false, ProblemNamespaceDenied},
		"any kube- namespace":              {"kube-flannel", "x", nil, nil, false, ProblemNamespaceDenied},
		"istio-system":                     {"istio-system", "istiod", nil, nil, false, ProblemNamespaceDenied},
		"our own namespace":                {"eastwest-system", "x", nil, nil, false, ProblemNamespaceDenied},
		"default/kubernetes":               {"default", "kubernetes", nil, nil, false, ProblemNamespaceDenied},
		"default/kubernetes, even allowed": {"default", "kubernetes", []string{"default"}, nil, false, ProblemNamespaceDenied},
		"namespace default with a warning": {"default", "cart", nil, nil, true, ProblemNamespace},
		"kube-system by a pattern":         {"kube-system", "x", []string{"*"}, nil, false, ProblemNamespaceDenied},
		"kube-system by its name":          {"kube-system", "x", []string{"kube-system"}, nil, true, ""},
		"not on the list":                  {"shop", "cart", []string{"bank"}, nil, false, ProblemNamespaceDenied},
		"by a pattern":                     {"shop-eu", "cart", []string{"shop-*"}, nil, true, ""},
		"denied":                           {"shop", "cart", nil, []string{"sh*"}, false, ProblemNamespaceDenied},
		"denied beats allowed":             {"shop", "cart", []string{"shop"}, []string{"shop"}, false, ProblemNamespaceDenied},
		"a name with a dot":                {"shop", "a.b", nil, nil, false, ""},
		"a wildcard":                       {"shop", "*", nil, nil, false, ""},
		"a path":                           {"..", "..", nil, nil, false, ""},
		"a control character":              {"shop", "a\nb", nil, nil, false, ""},
		"a label of 64":                    {"shop", "a123456789012345678901234567890123456789012345678901234567890123", nil, nil, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeapi.Server, o *Options) {
					o.Record.Namespaces.Allow, o.Record.Namespaces.Deny = tc.allow, tc.deny
					service := kubeService(tc.namespace, tc.service)
					api.Objects[fakeapi.ServicePath][fakeapi.Key(service)] = service
					api.Put(kubeExport(tc.namespace, tc.service), kubeSlice(tc.namespace, tc.service+"-1", tc.service, 2))
				})
				after(time.Second)
				if got := r.last().Services.Len() == 1; got != tc.offered {
					t.Errorf("got %s", r.summary())
				}
				if tc.reason != "" {
					r.hasProblem(t, tc.reason)
				}
			})
		})
	}
}

func TestAMemberThatOnlyImports(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 3)
			o.Record.Role = "import"
		})
		r.want(t, "ready")
		r.hasProblem(t, ProblemRole)
	})
}

func TestExplain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 3)
			o.Record.PodCIDRs = []string{"10.1.0.0/30"}
			wrong := kubeSlice("shop", "cart-2", "cart", 1)
			wrong.Endpoints[0].Addresses = []string{"127.0.0.1"}
			api.Put(wrong, kubeExport("shop", "ghost"))
		})
		r.want(t, "ready shop/cart=3")
		got := r.cluster.Explain(cart)
		if !got.Exported || got.ByPolicy || !got.Service || got.Slices != 2 || got.Endpoints != 3 || got.Serving != 3 || got.Offered != 3 || got.Problem != nil {
			t.Errorf("got %+v", got)
		}
		if len(got.Drops) != 1 || got.Drops[0] != (Drop{"EndpointSlice shop/cart-2", DropDenied, `"127.0.0.1"`}) {
			t.Errorf("got %+v", got.Drops)
		}
		ghost := r.cluster.Explain(model.ServiceKey{Namespace: "shop", Name: "ghost"})
		if ghost.Service || ghost.Problem == nil || ghost.Problem.Reason != ProblemNoService || !ghost.Problem.Withheld {
			t.Errorf("got %+v", ghost)
		}
		if none := r.cluster.Explain(model.ServiceKey{Namespace: "shop", Name: "none"}); none.Exported || none.Problem != nil {
			t.Errorf("got %+v", none)
		}
	})
}
