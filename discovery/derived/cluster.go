package derived

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/dirty"
)

// Cluster is what of our own is in this cluster, as seen by every replica: derived
// Services with their slices, namespaces, and the pods of the local gateway.
type Cluster struct {
	kube      kubernetes.Interface
	factories []informers.SharedInformerFactory
	services  corelisters.ServiceLister
	slices    cache.Indexer
	// ours are what derived Services are made of: these, their slices and Endpoints.
	ours      []cache.Indexer
	endpoints corelisters.EndpointsLister
	gateways  discoverylisters.EndpointSliceLister
	spaces    corelisters.NamespaceLister
	synced    []cache.InformerSynced
	// due are the derived Services for the Writer to look at, by their names; one without
	// a name is all of a namespace.
	due *dirty.Set[types.NamespacedName]

	// mu guards what is below.
	mu      sync.Mutex
	known   bool
	holders *holders
	wakes   []chan struct{}
	touched []*dirty.Set[model.ServiceKey]
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
		slices:    derived.Discovery().V1().EndpointSlices().Informer().GetIndexer(),
		endpoints: derived.Core().V1().Endpoints().Lister(),
		gateways:  local.Discovery().V1().EndpointSlices().Lister(),
		spaces:    all.Core().V1().Namespaces().Lister(),
		due:       dirty.New[types.NamespacedName](make(chan struct{}, 1)), holders: newHolders(),
	}
	c.ours = []cache.Indexer{derived.Core().V1().Services().Informer().GetIndexer(), derived.Core().V1().Endpoints().Informer().GetIndexer(), c.slices}
	if err := c.slices.AddIndexers(cache.Indexers{byOwner: ownerIndex}); err != nil {
		panic(err) // only of an index with objects in it
	}
	c.hear(derived.Core().V1().Services().Informer(), c.onServices)
	c.hear(derived.Core().V1().Endpoints().Informer(), c.onEndpoints)
	c.hear(derived.Discovery().V1().EndpointSlices().Informer(), c.onSlices)
	c.hear(local.Discovery().V1().EndpointSlices().Informer(), c.onGateways)
	c.hear(all.Core().V1().Namespaces().Informer(), c.onNamespaces)
	return c
}

// hear has what an informer tells handed on.
func (c *Cluster) hear(informer cache.SharedIndexInformer, tell func(seen []metav1.Object)) {
	registration, err := informer.AddEventHandler(telling(tell))
	if err != nil {
		panic(err) // only of an informer that was stopped
	}
	c.synced = append(c.synced, registration.HasSynced)
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
		c.begin()
	}
	<-ctx.Done()
	for _, factory := range c.factories {
		factory.Shutdown()
	}
	return nil
}

// Changed returns a channel that gets a value when a derived Service or a namespace has
// changed: ports of the gateway, addresses, or where objects can be made. It must be
// called before Run.
func (c *Cluster) Changed() <-chan struct{} {
	wake := make(chan struct{}, 1)
	c.wakes = append(c.wakes, wake)
	return wake
}

// Touched returns a set that gets the services whose derived Service has changed, and
// for a namespace that came or went a key without a name. It must be called before Run.
func (c *Cluster) Touched() *dirty.Set[model.ServiceKey] {
	set := dirty.New[model.ServiceKey](make(chan struct{}, 1))
	c.touched = append(c.touched, set)
	return set
}

// Ports are the ports of the gateway that lead to ports of services; false before
// they have been read. The map must not be changed.
func (c *Cluster) Ports() (map[model.PortKey]uint16, bool) {
	seen, known := c.holding()
	return seen.ports, known
}

func (c *Cluster) holding() (*holding, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holders.now(), c.known
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
	return err == nil && usable(namespace)
}
