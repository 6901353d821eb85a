package watch

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

func TestAMemberJoinsAndChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		r.want(t, "ready shop/cart=3")
		if first := r.first(); first.Member.State != model.Joining || first.Services.Len() != 0 {
			t.Errorf("first came %v", first)
		}
		offer := r.last().Services.Get(cart)
		if !offer.Exported.Equal(time.Unix(2000, 0)) || offer.Ports[0].Number != 80 || offer.Slices[0].Ports[0].Number != 8080 ||
			offer.Slices[0].Endpoints.At(0).Zone.Value() != "zone-a" {
			t.Errorf("got %+v", offer)
		}
		before := r.changes()
		r.Put(kubeService("shop", "pay"), kubeSlice("shop", "pay-1", "pay", 2))
		r.want(t, "ready shop/cart=3")
		if r.changes() != before {
			t.Error("a service that is not exported made an offer")
		}
		r.Put(kubeExport("shop", "pay"))
		r.want(t, "ready shop/cart=3 shop/pay=2")
		if got := r.last().Services.Get(cart); got != offer {
			t.Error("an unchanged service is not shared between shards")
		}
		if diff := cmp.Diff([]model.ServiceKey{{Namespace: "shop", Name: "pay"}}, r.lastChanged()); diff != "" {
			t.Errorf("changed (-want +got)\n%s", diff)
		}
		r.Put(kubeSlice("shop", "cart-1", "cart", 5))
		r.want(t, "ready shop/cart=5 shop/pay=2")
		r.Delete(kubeSlice("shop", "cart-1", "cart", 5))
		r.want(t, "ready shop/cart=0 shop/pay=2")
		r.Delete(kubeExport("shop", "cart"))
		r.want(t, "ready shop/pay=2")
		r.Delete(kubeService("shop", "pay"))
		r.want(t, "ready")
		if problems := r.cluster.Status().Problems; len(problems) != 1 || problems[0].Reason != ProblemNoService {
			t.Errorf("got %+v", problems)
		}
	})
}

// TestEqualObjectsAreSilent rewrites objects with other metadata only.
func TestEqualObjectsAreSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		before := r.count()
		shop(r.Server, 3)
		r.live(10 * time.Minute)
		r.want(t, "ready shop/cart=3")
		if r.count() != before {
			t.Errorf("%d offers for nothing", r.count()-before)
		}
	})
}

func TestASliceMovesToAnotherService(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) {
			shop(api, 3)
			api.Put(kubeService("shop", "pay"), kubeExport("shop", "pay"))
		})
		r.Put(kubeSlice("shop", "cart-1", "pay", 3))
		r.want(t, "ready shop/cart=0 shop/pay=3")
	})
}

func TestPolicyExports(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			o.Exports = []v1alpha1.ExportRule{{Namespace: "shop", Name: "*"}, {Namespace: "bank", Name: "gold"}}
			for _, one := range []model.ServiceKey{{Namespace: "shop", Name: "cart"}, {Namespace: "bank", Name: "gold"}, {Namespace: "bank", Name: "dust"}} {
				api.Put(kubeService(one.Namespace, one.Name), kubeSlice(one.Namespace, one.Name+"-1", one.Name, 1))
			}
		})
		r.want(t, "ready bank/gold=1 shop/cart=1")
		if got := r.last().Services.Get(cart).Exported; !got.Equal(time.Unix(1000, 0)) {
			t.Errorf("exported at %v, not when the Service was made", got)
		}
		r.Put(kubeExport("shop", "cart"))
		r.want(t, "ready bank/gold=1 shop/cart=1")
		if got := r.last().Services.Get(cart).Exported; !got.Equal(time.Unix(2000, 0)) {
			t.Errorf("exported at %v, not when the ServiceExport was made", got)
		}
		if len(r.cluster.Status().Problems) != 0 {
			t.Errorf("got %+v", r.cluster.Status().Problems)
		}
	})
}

// TestStopKeepsAndLeaveRemoves are the two ways to end.
func TestStopKeepsAndLeaveRemoves(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(*rig)
		left int
	}{
		"the context ends": {func(r *rig) { r.cancel() }, 0},
		"stop":             {func(r *rig) { r.cluster.Stop() }, 0},
		"leave":            {func(r *rig) { r.cluster.Leave() }, 1},
		"leave after stop": {func(r *rig) { r.cluster.Leave(); r.cluster.Stop() }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
				r.want(t, "ready shop/cart=3")
				tc.end(r)
				<-r.done
				if r.left != tc.left || r.summary() != "ready shop/cart=3" {
					t.Errorf("left %d times, %s", r.left, r.summary())
				}
			})
		})
	}
}

// TestTheLastShardIsKeptUntilTheMemberWasListed is a restart with a snapshot
// while the member is away.
func TestTheLastShardIsKeptUntilTheMemberWasListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		offer := &model.Offer{Key: cart, Slices: []*model.Slice{{Name: "cart-1", Endpoints: model.EndpointsOf(make([]model.Endpoint, 4)...)}}}
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 3)
			api.Refusing = true
			o.Last = &model.Shard{Services: model.OffersOf(offer)}
		})
		r.want(t, "degraded shop/cart=4")
		r.Do(func() { r.Refusing = false })
		after(6 * time.Second)
		r.want(t, "ready shop/cart=3")
	})
}

func TestGateways(t *testing.T) {
	t.Parallel()
	gateway := func(port int32, ingress ...corev1.LoadBalancerIngress) *corev1.Service {
		one := kubeService(gatewayNamespace, gatewayService, corev1.ServicePort{Name: "status", Port: 15021}, corev1.ServicePort{Name: "tls", Port: port})
		one.Status.LoadBalancer.Ingress = ingress
		return one
	}
	external := gateway(15443)
	external.Spec.ExternalIPs = []string{"192.0.2.9"}
	for name, tc := range map[string]struct {
		service    *corev1.Service
		advertised []string
		cidrs      []string
		want       []model.HostPort
		denied     bool
	}{
		"none":                            {nil, nil, nil, nil, false},
		"no address yet":                  {gateway(15443), nil, nil, nil, false},
		"an IP":                           {gateway(15443, corev1.LoadBalancerIngress{IP: "192.0.2.1"}), nil, nil, []model.HostPort{{Host: "192.0.2.1", Port: 15443}}, false},
		"a name and another port":         {gateway(443, corev1.LoadBalancerIngress{Hostname: "lb.example.com"}), nil, nil, []model.HostPort{{Host: "lb.example.com", Port: 443}}, false},
		"an external IP":                  {external, nil, nil, []model.HostPort{{Host: "192.0.2.9", Port: 15443}}, false},
		"what the record advertises wins": {gateway(15443, corev1.LoadBalancerIngress{IP: "192.0.2.1"}), []string{"198.51.100.1:1443"}, nil, []model.HostPort{{Host: "198.51.100.1", Port: 1443}}, false},
		"within the CIDRs":                {gateway(15443, corev1.LoadBalancerIngress{IP: "192.0.2.1"}), nil, []string{"192.0.2.0/24"}, []model.HostPort{{Host: "192.0.2.1", Port: 15443}}, false},
		"one outside the CIDRs": {
			gateway(15443, corev1.LoadBalancerIngress{IP: "192.0.2.1"}, corev1.LoadBalancerIngress{IP: "203.0.113.1"}), nil, []string{"192.0.2.0/24"}, nil, true,
		},
		"a name where CIDRs are declared": {gateway(15443, corev1.LoadBalancerIngress{Hostname: "lb.example.com"}), nil, []string{"192.0.2.0/24"}, []model.HostPort{{Host: "lb.example.com", Port: 15443}}, false},
		"loopback":                        {gateway(15443, corev1.LoadBalancerIngress{IP: "127.0.0.1"}), nil, nil, nil, true},
		"the metadata server":             {gateway(15443, corev1.LoadBalancerIngress{IP: "169.254.169.254"}), nil, nil, nil, true},
		"a Service of the dialler":        {gateway(15443, corev1.LoadBalancerIngress{Hostname: "victim.bank.svc.cluster.local"}), nil, nil, nil, true},
		"localhost":                       {gateway(15443, corev1.LoadBalancerIngress{Hostname: "localhost"}), nil, nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, func(api *fakeapi.Server, o *Options) {
					o.Record.Advertised, o.Record.GatewayCIDRs = tc.advertised, tc.cidrs
					if tc.service != nil {
						api.Put(tc.service)
					}
				})
				r.want(t, "ready")
				if diff := cmp.Diff(tc.want, r.last().Member.Gateways); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if got := r.last().Member.GatewayCIDRs; fmt.Sprint(got) != fmt.Sprint(tc.cidrs) {
					t.Errorf("CIDRs %v, want %v", got, tc.cidrs)
				}
				problems := r.cluster.Status().Problems
				if denied := len(problems) == 1 && problems[0].Reason == ProblemGateway; denied != tc.denied {
					t.Errorf("problems %+v", problems)
				}
			})
		})
	}
}
