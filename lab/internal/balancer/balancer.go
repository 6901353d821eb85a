package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// retry is how soon a pass that failed is tried again; a full pass is also
// made this often, so that an address lost by the link comes back.
const retry = 5 * time.Second

// Options say which cluster to serve, and with which addresses.
type Options struct {
	Kubeconfig string
	// Range is the block of addresses to give out.
	Range string
	// Device is the link which gets them.
	Device string
	Log    *slog.Logger
}

// Balancer serves the Services of one cluster. Every pass looks at all of
// them: there are few, and a pass needs no memory of what happened before.
type Balancer struct {
	pool   *Pool
	link   device
	client kubernetes.Interface
	log    *slog.Logger
	// troubles holds what was last said about a Service, to say it once.
	troubles map[string]string
}

// device carries the addresses which the pool has given out.
type device interface {
	sync(ctx context.Context, pool *Pool) error
}

// Run serves until ctx ends. Addresses stay on the link: traffic must survive
// a restart.
func Run(ctx context.Context, o Options) error {
	pool, err := NewPool(o.Range)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("load kubeconfig: %w", err)
	}
	config.UserAgent = "eastwest-lab-balancer"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	b := &Balancer{pool: pool, link: link{device: o.Device}, client: client, log: o.Log, troubles: map[string]string{}}
	return b.run(ctx)
}

func (b *Balancer) run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(b.client, 0)
	services := factory.Core().V1().Services()
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	_, err := services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	})
	if err != nil {
		return fmt.Errorf("watch services: %w", err)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), services.Informer().HasSynced) {
		return nil
	}
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		if err := b.pass(ctx, services.Lister()); err != nil && ctx.Err() == nil {
			b.log.Error("pass failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// pass brings addresses, link and statuses in line with the Services there are.
func (b *Balancer) pass(ctx context.Context, lister listers.ServiceLister) error {
	all, err := lister.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list services: %w", err)
	}
	b.forget(all)
	slices.SortFunc(all, byClaim)
	var errs []error
	wanted := map[*corev1.Service]netip.Addr{}
	for _, svc := range all {
		if wants(svc) {
			addr, err := b.pool.Assign(keyOf(svc), svc.Spec.LoadBalancerIP, current(svc))
			b.complain(keyOf(svc), err)
			if err == nil {
				wanted[svc] = addr
				continue
			}
		}
		b.pool.Release(keyOf(svc), netip.Addr{})
		errs = append(errs, b.clear(ctx, svc))
	}
	// An address answers before anybody is told of it.
	errs = append(errs, b.link.sync(ctx, b.pool))
	for svc, addr := range wanted {
		errs = append(errs, b.publish(ctx, svc, addr))
	}
	return errors.Join(errs...)
}

// forget releases the addresses of Services that are gone.
func (b *Balancer) forget(all []*corev1.Service) {
	there := map[string]bool{}
	for _, svc := range all {
		there[keyOf(svc)] = true
	}
	for _, owner := range b.pool.Taken() {
		if !there[owner] {
			b.pool.Release(owner, netip.Addr{})
			delete(b.troubles, owner)
		}
	}
}

func (b *Balancer) complain(key string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != b.troubles[key] && err != nil {
		b.log.Warn("no address", "service", key, "error", err)
	}
	b.troubles[key] = text
}

func (b *Balancer) publish(ctx context.Context, svc *corev1.Service, addr netip.Addr) error {
	if current(svc) == addr.String() {
		return nil
	}
	mode := corev1.LoadBalancerIPModeVIP
	if err := b.patch(ctx, svc, []corev1.LoadBalancerIngress{{IP: addr.String(), IPMode: &mode}}); err != nil {
		return err
	}
	b.log.Info("address given", "service", keyOf(svc), "address", addr)
	return nil
}

// clear withdraws an address of ours; the API server itself clears the status
// of a Service whose type changed.
func (b *Balancer) clear(ctx context.Context, svc *corev1.Service) error {
	addr, err := netip.ParseAddr(current(svc))
	if err != nil || !b.pool.Contains(addr) {
		return nil
	}
	if err := b.patch(ctx, svc, nil); err != nil {
		return err
	}
	b.log.Info("address taken back", "service", keyOf(svc), "address", addr)
	return nil
}

func (b *Balancer) patch(ctx context.Context, svc *corev1.Service, ingress []corev1.LoadBalancerIngress) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}}})
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	_, err = b.client.CoreV1().Services(svc.Namespace).Patch(ctx, svc.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("write status of service %s: %w", keyOf(svc), err)
	}
	return nil
}

func wants(svc *corev1.Service) bool {
	return svc.Spec.Type == corev1.ServiceTypeLoadBalancer && svc.Spec.LoadBalancerClass == nil && svc.DeletionTimestamp == nil
}

func keyOf(svc *corev1.Service) string { return svc.Namespace + "/" + svc.Name }

// current is the address the Service shows.
func current(svc *corev1.Service) string {
	if in := svc.Status.LoadBalancer.Ingress; len(in) > 0 {
		return in[0].IP
	}
	return ""
}

// byClaim puts first who already has an address, then who is older: after a
// restart nobody loses an address to another.
func byClaim(a, b *corev1.Service) int {
	if has := current(a) != ""; has != (current(b) != "") {
		if has {
			return -1
		}
		return 1
	}
	if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
		return c
	}
	return strings.Compare(keyOf(a), keyOf(b))
}
