package member

import (
	"context"
	"fmt"
	"sort"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// gatewayPortLabel moves the port that istiod reads from a gateway's Service.
// Source: istio.io/istio/pilot/pkg/serviceregistry/kube/controller/network.go.
const gatewayPortLabel = "networking.istio.io/gatewayPort"

// istioGateways is the resource of Istio's Gateway, in a version every
// supported release serves.
var istioGateways = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "gateways"}

func readGateways(ctx context.Context, m *Member, facts *Facts) error {
	gateways, err := m.Gateways(ctx)
	facts.Gateways = gateways
	return err
}

// Gateways lists the east-west gateways of the cluster.
func (m *Member) Gateways(ctx context.Context) ([]Gateway, error) {
	services, err := m.Kube.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var gateways []Gateway
	for _, service := range services.Items {
		gateway, ok := gatewayOf(service)
		if !ok {
			continue
		}
		gateway.Ready, err = readyEndpoints(ctx, m, service.Namespace, service.Name)
		if err != nil {
			return nil, err
		}
		gateways = append(gateways, gateway)
	}
	sort.Slice(gateways, func(i, j int) bool {
		a, b := gateways[i], gateways[j]
		return a.Namespace+"/"+a.Name < b.Namespace+"/"+b.Name
	})
	return gateways, nil
}

// gatewayOf reads a Service as an east-west gateway; ok is false for others.
func gatewayOf(service corev1.Service) (gateway Gateway, ok bool) {
	wanted := int32(GatewayPort)
	if text := service.Labels[gatewayPortLabel]; text != "" {
		if number, err := strconv.ParseInt(text, 10, 32); err == nil {
			wanted = int32(number)
		}
	}
	gateway = Gateway{
		Namespace: service.Namespace, Name: service.Name, Network: service.Labels[NetworkLabel],
		Type: string(service.Spec.Type), Selector: service.Spec.Selector,
		SourceRanges: service.Spec.LoadBalancerSourceRanges,
		Labels:       service.Labels, Annotations: service.Annotations,
	}
	for _, port := range service.Spec.Ports {
		if port.Port == wanted {
			gateway.Port, gateway.NodePort = port.Port, port.NodePort
		}
		if port.Port == GatewayHealthPort {
			gateway.HealthPort = port.Port
		}
	}
	if gateway.Network == "" && (gateway.Port == 0 || len(service.Spec.Selector) == 0) {
		return Gateway{}, false
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		address := ingress.IP
		if address == "" {
			address = ingress.Hostname
		}
		gateway.Addresses = append(gateway.Addresses, address)
	}
	gateway.Addresses = append(gateway.Addresses, service.Spec.ExternalIPs...)
	for _, entry := range service.ManagedFields {
		gateway.Managers = append(gateway.Managers, entry.Manager)
	}
	return gateway, true
}

// readyEndpoints counts the ready endpoints of a Service.
func readyEndpoints(ctx context.Context, m *Member, namespace, name string) (int, error) {
	slices, err := m.Kube.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + name,
	})
	if err != nil {
		return 0, err
	}
	ready := 0
	for _, slice := range slices.Items {
		ready += readyIn(slice)
	}
	return ready, nil
}

func readExposures(ctx context.Context, m *Member, facts *Facts) error {
	list, err := m.Dynamic.Resource(istioGateways).List(ctx, metav1.ListOptions{})
	if ignoreNotFound(err) != nil && !meta.IsNoMatchError(err) {
		return err
	}
	if err != nil {
		return nil
	}
	for _, item := range list.Items {
		if exposure, ok := exposureOf(item); ok {
			facts.Exposures = append(facts.Exposures, exposure)
		}
	}
	return nil
}

// exposureOf reads an Istio Gateway; ok is false where it has no AUTO_PASSTHROUGH server.
func exposureOf(item unstructured.Unstructured) (exposure Exposure, ok bool) {
	exposure = Exposure{Namespace: item.GetNamespace(), Name: item.GetName(), Labels: item.GetLabels()}
	exposure.Selector, _, _ = unstructured.NestedStringMap(item.Object, "spec", "selector")
	servers, _, _ := unstructured.NestedSlice(item.Object, "spec", "servers")
	for _, server := range servers {
		fields, isMap := server.(map[string]any)
		if !isMap {
			continue
		}
		if mode, _, _ := unstructured.NestedString(fields, "tls", "mode"); mode != "AUTO_PASSTHROUGH" {
			continue
		}
		ok = true
		exposure.Port, _, _ = unstructured.NestedInt64(fields, "port", "number")
		hosts, _, _ := unstructured.NestedStringSlice(fields, "hosts")
		exposure.Hosts = append(exposure.Hosts, hosts...)
	}
	return exposure, ok
}

// DeploymentSelector is the pod selector of a Deployment, which cannot be
// changed once it exists; nil where there is no such Deployment.
func (m *Member) DeploymentSelector(ctx context.Context, namespace, name string) (map[string]string, error) {
	live, err := m.Kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return nil, fmt.Errorf("read Deployment %s/%s: %w", namespace, name, err)
	}
	if err != nil {
		return nil, nil
	}
	return live.Spec.Selector.MatchLabels, nil
}

// ReadyPod is a running pod that a selector picks; empty where there is none.
func (m *Member) ReadyPod(ctx context.Context, namespace string, selector map[string]string) (string, error) {
	pods, err := m.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(selector).String()})
	if err != nil {
		return "", fmt.Errorf("list pods of namespace %s: %w", namespace, err)
	}
	for _, pod := range pods.Items {
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil {
			return pod.Name, nil
		}
	}
	return "", nil
}
