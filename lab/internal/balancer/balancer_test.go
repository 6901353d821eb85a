package balancer

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

func TestPool(t *testing.T) {
	t.Parallel()
	pool, err := NewPool("172.30.0.96/30")
	if err != nil {
		t.Fatal(err)
	}
	assign := func(key, asked, had, want string) {
		t.Helper()
		got, err := pool.Assign(key, asked, had)
		if want == "" {
			if err == nil {
				t.Errorf("%s got %s, want an error", key, got)
			}
			return
		}
		if err != nil || got.String() != want {
			t.Errorf("%s got %s, %v, want %s", key, got, err, want)
		}
	}
	assign("a", "", "", "172.30.0.96")
	assign("a", "", "", "172.30.0.96")
	assign("b", "", "172.30.0.98", "172.30.0.98")
	assign("c", "172.30.0.98", "", "")
	assign("c", "172.30.1.1", "", "")
	assign("c", "x", "", "")
	assign("a", "172.30.0.99", "", "172.30.0.99")
	assign("c", "", "", "172.30.0.96")
	assign("d", "", "", "172.30.0.97")
	if _, err := pool.Assign("e", "", ""); !errors.Is(err, ErrExhausted) {
		t.Errorf("full pool: %v", err)
	}
	pool.Release("b", netip.Addr{})
	assign("e", "", "", "172.30.0.98")
}

// idle is a link that nothing is put on.
type idle struct{}

func (idle) sync(context.Context, *Pool) error { return nil }

func service(name string, age time.Duration, kind corev1.ServiceType, has string) *corev1.Service {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		Namespace: "ns", Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-age)),
	}}
	svc.Spec.Type = kind
	if has != "" {
		svc.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: has}}
	}
	return svc
}

// pass makes one pass of a balancer that has just started.
func pass(t *testing.T, services ...*corev1.Service) map[string]string {
	t.Helper()
	client := fake.NewSimpleClientset()
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil)
	for _, svc := range services {
		if err := errors.Join(client.Tracker().Add(svc), indexer.Add(svc)); err != nil {
			t.Fatal(err)
		}
	}
	pool, err := NewPool("172.30.0.96/31")
	if err != nil {
		t.Fatal(err)
	}
	b := &Balancer{pool: pool, link: idle{}, client: client, log: slog.New(slog.DiscardHandler), troubles: map[string]string{}}
	if err := b.pass(t.Context(), listers.NewServiceLister(indexer)); err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Services("ns").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i := range list.Items {
		got[list.Items[i].Name] = current(&list.Items[i])
	}
	return got
}

func TestPass(t *testing.T) {
	t.Parallel()
	const lb, plain = corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeClusterIP
	foreign := "somebody.else/lb"
	classed := service("classed", 0, lb, "")
	classed.Spec.LoadBalancerClass = &foreign
	tests := map[string]struct {
		services []*corev1.Service
		want     map[string]string
	}{
		"the older comes first": {
			[]*corev1.Service{service("a", 1, lb, ""), service("b", 2, lb, "")},
			map[string]string{"a": "172.30.0.97", "b": "172.30.0.96"},
		},
		"after a restart everybody keeps the address": {
			[]*corev1.Service{service("old", 2, lb, ""), service("new", 1, lb, "172.30.0.96")},
			map[string]string{"old": "172.30.0.97", "new": "172.30.0.96"},
		},
		"a changed type loses it": {
			[]*corev1.Service{service("a", 1, plain, "172.30.0.96")},
			map[string]string{"a": ""},
		},
		"an address of somebody else's stays": {
			[]*corev1.Service{service("a", 1, plain, "10.0.0.1")},
			map[string]string{"a": "10.0.0.1"},
		},
		"another class is not ours": {[]*corev1.Service{classed}, map[string]string{"classed": ""}},
		"too many wait": {
			[]*corev1.Service{service("a", 3, lb, ""), service("b", 2, lb, ""), service("c", 1, lb, "")},
			map[string]string{"a": "172.30.0.96", "b": "172.30.0.97", "c": ""},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, pass(t, tt.services...)); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}
