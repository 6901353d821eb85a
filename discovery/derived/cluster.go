package derived

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Cluster is what of our own is in this cluster, as seen by every replica: derived
// Services with their slices, namespaces, and the pods of the local gateway.
type Cluster struct {
	kube      kubernetes.Interface
	factories []informers.SharedInformerFactory
	services  corelisters.ServiceLister
	slices    discoverylisters.EndpointSliceLister
	endpoints corelisters.EndpointsLister
	gateways  discoverylisters.EndpointSliceLister
	spaces    corelisters.NamespaceLister
	synced    []cache.InformerSynced

	// mu guards what is below.
	mu    sync.Mutex
	known bool
	ports map[model.PortKey]uint16
	wakes []chan struct{}
}

// GatewayService names the Service of the local gateway.
type GatewayService struct {
	Namespace, Name string
}

// NewCluster prepares to watch; Run does it.
func NewCluster(kube kubernetes.Interface, gateway GatewayService) *Cluster {
	ours := func(o *metav1.ListOptions) { o.LabelSelector = v1alpha1.LabelDerived + "=true" }
	behind := func(o *metav1.ListOptions) { o.LabelSelector = discoveryv1.LabelServiceName + "=" + gateway.Name }
	derived := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithTweakListOptions(ours))
	local := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithTweakListOptions(behind), informers.WithNamespace(gateway.Namespace))
	all := informers.NewSharedInformerFactoryWithOptions(kube, 0, informers.WithTransform(withoutManagedFields))
	c := &Cluster{
		kube: kube, factories: []informers.SharedInformerFactory{derived, local, all},
		services:  derived.Core().V1().Services().Lister(),
		slices:    derived.Discovery().V1().EndpointSlices().Lister(),
		endpoints: derived.Core().V1().Endpoints().Lister(),
		gateways:  local.Discovery().V1().EndpointSlices().Lister(),
		spaces:    all.Core().V1().Namespaces().Lister(),
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { c.refresh() }, UpdateFunc: func(any, any) { c.refresh() }, DeleteFunc: func(any) { c.refresh() },
	}
	for _, informer := range []cache.SharedIndexInformer{
		derived.Core().V1().Services().Informer(), derived.Core().V1().Endpoints().Informer(), derived.Discovery().V1().EndpointSlices().Informer(),
		local.Discovery().V1().EndpointSlices().Informer(), all.Core().V1().Namespaces().Informer(),
	} {
		registration, err := informer.AddEventHandler(handler)
		if err != nil {
			panic(err) // only of an informer that was stopped
		}
		c.synced = append(c.synced, registration.HasSynced)
	}
	return c
}

func withoutManagedFields(object any) (any, error) {
	if accessor, ok := object.(metav1.Object); ok {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

// Run watches until ctx ends.
func (c *Cluster) Run(ctx context.Context) error {
	for _, factory := range c.factories {
		factory.StartWithContext(ctx)
	}
	if cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		c.mu.Lock()
		c.known = true
		c.mu.Unlock()
		c.refresh()
	}
	<-ctx.Done()
	for _, factory := range c.factories {
		factory.Shutdown()
	}
	return nil
}

// Changed returns a channel that gets a value when anything has changed. It must
// be called before Run.
func (c *Cluster) Changed() <-chan struct{} {
	wake := make(chan struct{}, 1)
	c.wakes = append(c.wakes, wake)
	return wake
}

// Ports are the ports of the gateway that lead to ports of services; false before
// they have been read. The map must not be changed.
func (c *Cluster) Ports() (map[model.PortKey]uint16, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ports, c.known
}

// refresh reads the ports anew and wakes who waits.
func (c *Cluster) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known {
		return
	}
	ports := map[model.PortKey]uint16{}
	list, err := c.services.List(labels.Everything())
	if err != nil {
		return // a lister of an informer never fails
	}
	for _, object := range list {
		maps.Copy(ports, portsOf(object))
	}
	ports = held(ports, c.ports)
	if !maps.Equal(ports, c.ports) {
		c.ports = ports
	}
	for _, wake := range c.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// gatewayPods are the addresses of the local gateway's ready pods.
func (c *Cluster) gatewayPods() ([]netip.Addr, error) {
	list, err := c.gateways.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("list the gateway's endpoints: %w", err)
	}
	var out []netip.Addr
	for _, slice := range list {
		for _, endpoint := range slice.Endpoints {
			if ready := endpoint.Conditions.Ready; ready != nil && !*ready {
				continue
			}
			for _, text := range endpoint.Addresses {
				if addr, err := netip.ParseAddr(text); err == nil {
					out = append(out, addr)
				}
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out), nil
}

// Address is the name of the Service that stands for another one, and its addresses;
// none while it has none.
func (c *Cluster) Address(key model.ServiceKey) (name string, addresses []netip.Addr) {
	name = Name(key)
	object, err := c.services.Services(key.Namespace).Get(name)
	if err != nil {
		return name, nil
	}
	for _, text := range object.Spec.ClusterIPs {
		if address, err := netip.ParseAddr(text); err == nil {
			addresses = append(addresses, address)
		}
	}
	return name, addresses
}

// HasNamespace reports whether objects can be made in a namespace: imports are
// only where it exists, and nothing can be made in one that is going.
func (c *Cluster) HasNamespace(name string) bool {
	namespace, err := c.spaces.Get(name)
	return err == nil && namespace.Status.Phase != corev1.NamespaceTerminating && namespace.DeletionTimestamp == nil
}
