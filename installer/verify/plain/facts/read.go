package facts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// Reader reads one cluster.
type Reader struct {
	Kube    kubernetes.Interface
	Dynamic dynamic.Interface
	// Namespace is the one under verification; empty before there is one, and then
	// nothing is known of what is in it.
	Namespace string
	// Exports is the resource of ServiceExports.
	Exports schema.GroupVersionResource
}

var memberClusters = schema.GroupVersionResource{Group: "eastwest.dev", Version: "v1alpha1", Resource: "memberclusters"}

// Read reads all there is to know. What cannot be read is named in Unread and
// costs only the checks that need it.
func (r Reader) Read(ctx context.Context) Cluster {
	var c Cluster
	var mu sync.Mutex // guards c.Unread
	var all sync.WaitGroup
	parts := map[string]func(context.Context, *Cluster) error{
		PartAgent: r.readAgent, PartRecords: r.readRecords, PartMembers: r.readMembers, PartGateway: r.readGateway,
		PartAuthority: r.readAuthority,
	}
	if r.Namespace == "" {
		c.unread = []string{PartExports, PartDerived}
	} else {
		parts[PartExports] = r.readExports
		parts[PartDerived] = func(ctx context.Context, c *Cluster) (err error) {
			c.Derived, err = r.ReadDerived(ctx)
			return err
		}
	}
	for what, part := range parts {
		all.Go(func() {
			if err := part(ctx, &c); err != nil {
				mu.Lock()
				defer mu.Unlock()
				c.Unread = append(c.Unread, fmt.Sprintf("%s: %v", what, err))
				c.unread = append(c.unread, what)
			}
		})
	}
	all.Wait()
	slices.Sort(c.Unread)
	return c
}

func (r Reader) readAgent(ctx context.Context, c *Cluster) error {
	d, err := r.Kube.AppsV1().Deployments(Namespace).Get(ctx, AgentName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Agent = Deployment{Found: true, Wanted: 1, Ready: int(d.Status.ReadyReplicas)}
	if d.Spec.Replicas != nil {
		c.Agent.Wanted = int(*d.Spec.Replicas)
	}
	return nil
}

func (r Reader) readGateway(ctx context.Context, c *Cluster) error {
	service, err := r.Kube.CoreV1().Services(Namespace).Get(ctx, GatewayName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	g := &Gateway{
		Object: Object{service.Namespace, service.Name}, Type: string(service.Spec.Type),
		SourceRanges: service.Spec.LoadBalancerSourceRanges, Addresses: slices.Clone(service.Spec.ExternalIPs),
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			g.Addresses = append(g.Addresses, ingress.IP)
		} else {
			g.Addresses = append(g.Addresses, ingress.Hostname)
		}
	}
	for _, port := range service.Spec.Ports {
		if port.Port == TLSPort {
			g.Port = TLSPort
		}
	}
	pods, err := r.Kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String(),
	})
	if err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			g.Pods = append(g.Pods, Pod{Name: pod.Name, IP: pod.Status.PodIP, Ready: podReady(pod)})
		}
	}
	c.Gateway = g
	return nil
}

func podReady(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func (r Reader) readExports(ctx context.Context, c *Cluster) error {
	c.Exports = map[string]Export{}
	list, err := r.Dynamic.Resource(r.Exports).Namespace(r.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, item := range list.Items {
		c.Exports[item.GetName()] = Export{Invalid: invalid(item)}
	}
	return nil
}

// invalid is what the condition Valid of an export says against it.
func invalid(export unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(export.Object, "status", "conditions")
	for _, one := range conditions {
		if c, ok := one.(map[string]any); ok && c["type"] == "Valid" && c["status"] == "False" {
			return fmt.Sprintf("%v: %v", c["reason"], c["message"])
		}
	}
	return ""
}

// readMembers takes it that an agent which does not say anything has no say.
func (r Reader) readMembers(ctx context.Context, c *Cluster) error {
	c.Members = map[string]Member{}
	list, err := r.Dynamic.Resource(memberClusters).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, item := range list.Items {
		var one v1alpha1.MemberCluster
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &one); err != nil {
			return fmt.Errorf("read MemberCluster %s: %w", item.GetName(), err)
		}
		c.Members[item.GetName()] = Member{
			State: one.Status.State, Code: one.Status.Code, Description: one.Status.Description, Reached: reached(one.Status),
			Region: one.Spec.Region, Services: one.Status.MultiClusterServices,
		}
	}
	return nil
}

func reached(status v1alpha1.MemberClusterStatus) Reached {
	condition := meta.FindStatusCondition(status.Conditions, "Reachable")
	if condition == nil {
		return Reached{}
	}
	out := Reached{Status: string(condition.Status), Reason: condition.Reason, Message: condition.Message}
	if status.Link != nil {
		out.Hop, out.RTT = status.Link.Hop, time.Duration(status.Link.RTTMicroseconds)*time.Microsecond
	}
	return out
}

// ReadAgent reads no more than what the cluster's agent is and says.
func (r Reader) ReadAgent(ctx context.Context) (Cluster, error) {
	var c Cluster
	err := errors.Join(r.readAgent(ctx, &c), r.readMembers(ctx, &c))
	return c, err
}

// ReadDerived reads the derived Services of the namespace, with what is behind
// them, by the name of the service they stand for.
func (r Reader) ReadDerived(ctx context.Context) (map[string]Derived, error) {
	ours := metav1.ListOptions{LabelSelector: v1alpha1.LabelDerived + "=true"}
	services, err := r.Kube.CoreV1().Services(r.Namespace).List(ctx, ours)
	if err != nil {
		return nil, err
	}
	all := map[string]Derived{}
	if len(services.Items) == 0 {
		return all, nil
	}
	slices, err := r.Kube.DiscoveryV1().EndpointSlices(r.Namespace).List(ctx, ours)
	if err != nil {
		return nil, err
	}
	for _, s := range services.Items {
		d := Derived{Object: Object{s.Namespace, s.Name}, Endpoints: addressesOf(slices.Items, s.Name)}
		if len(s.Spec.Ports) > 0 {
			d.Target = s.Spec.Ports[0].TargetPort.IntValue()
		}
		all[s.Annotations[v1alpha1.AnnotationService]] = d
	}
	return all, nil
}

// addressesOf are the ready ones in the slices of a Service.
func addressesOf(list []discoveryv1.EndpointSlice, service string) []string {
	var all []string
	for _, slice := range list {
		if slice.Labels[discoveryv1.LabelServiceName] != service {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				all = append(all, endpoint.Addresses...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
