package installer

import (
	"context"
	"fmt"
	"net"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/installer/clusterdns"
)

// clusterZone is the zone of multi-cluster services.
// Source: KEP-1645, specification.md.
const clusterZone = "clusterset.local"

// dnsPort is where the agent's Service answers for it.
const dnsPort = 53

// operatorDNS are the objects of OpenShift's DNS operator.
var operatorDNS = schema.GroupVersionResource{Group: "operator.openshift.io", Version: "v1", Resource: "dnses"}

// found is an object, or nil where there is none.
func found[T any](object *T, err error) (*T, error) {
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

// dnsFacts reads what says who keeps a member's own DNS.
func (s *site) dnsFacts(ctx context.Context) (clusterdns.Facts, error) {
	kube, facts := s.member.Kube, clusterdns.Facts{ConfigMaps: map[string]*corev1.ConfigMap{}}
	for _, name := range []string{clusterdns.CoreDNS, clusterdns.Custom, clusterdns.KubeDNS, clusterdns.NodeLocal} {
		one, err := found(kube.CoreV1().ConfigMaps(clusterdns.Namespace).Get(ctx, name, metav1.GetOptions{}))
		if err != nil {
			return facts, fmt.Errorf("read ConfigMap %s/%s: %w", clusterdns.Namespace, name, err)
		}
		if one != nil {
			facts.ConfigMaps[name] = one
		}
	}
	var running [2]bool
	for i, name := range []string{clusterdns.KubeDNS, clusterdns.CoreDNS} {
		one, err := found(kube.AppsV1().Deployments(clusterdns.Namespace).Get(ctx, name, metav1.GetOptions{}))
		if err != nil {
			return facts, fmt.Errorf("read Deployment %s/%s: %w", clusterdns.Namespace, name, err)
		}
		running[i] = wanted(one)
	}
	facts.KubeDNS = running[0] && !running[1]
	operator, err := found(s.member.Dynamic.Resource(operatorDNS).Get(ctx, "default", metav1.GetOptions{}))
	if err != nil {
		return facts, fmt.Errorf("read DNS default of OpenShift's operator: %w", err)
	}
	facts.Operator = operator
	return facts, nil
}

// wanted reports whether a Deployment is there and not scaled to nothing, which is how
// Cloud DNS takes the place of kube-dns.
func wanted(one *appsv1.Deployment) bool {
	return one != nil && (one.Spec.Replicas == nil || *one.Spec.Replicas > 0)
}

// renderedDNS is the name of the Service at which the agent of a member will answer, by
// the values of its chart; empty where it will not. The secrets are those that its
// image needs.
func (in *Installer) renderedDNS(s *site) (name string, secrets []corev1.LocalObjectReference, err error) {
	objects, err := in.agentObjects(s)
	if err != nil {
		return "", nil, err
	}
	for _, object := range objects {
		switch object.GetKind() {
		case "Service":
			var service corev1.Service
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &service); err != nil {
				return "", nil, fmt.Errorf("read Service %s: %w", object.GetName(), err)
			}
			if answersDNS(service) {
				name = service.Name
			}
		case "Deployment":
			var deployment appsv1.Deployment
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment); err != nil {
				return "", nil, fmt.Errorf("read Deployment %s: %w", object.GetName(), err)
			}
			secrets = deployment.Spec.Template.Spec.ImagePullSecrets
		}
	}
	return name, secrets, nil
}

func answersDNS(service corev1.Service) bool {
	for _, port := range service.Spec.Ports {
		if port.Port == dnsPort && port.Protocol == corev1.ProtocolUDP {
			return true
		}
	}
	return false
}

// dnsTarget is where the agent of a member answers, by the name of its Service. A dry
// run may come before there is one.
func (in *Installer) dnsTarget(ctx context.Context, s *site, name string) (clusterdns.Target, error) {
	target := clusterdns.Target{Zone: clusterZone}
	service, err := found(s.member.Kube.CoreV1().Services(agentNamespace).Get(ctx, name, metav1.GetOptions{}))
	switch {
	case err != nil:
		return target, fmt.Errorf("read Service %s/%s: %w", agentNamespace, name, err)
	case service == nil && in.options.DryRun:
		target.Servers = []string{"ADDRESS-OF-" + agentNamespace + "/" + name}
	case service == nil || len(service.Spec.ClusterIPs) == 0 || service.Spec.ClusterIPs[0] == corev1.ClusterIPNone:
		return target, fmt.Errorf("the Service %s/%s has no address", agentNamespace, name)
	default:
		target.Servers = service.Spec.ClusterIPs
	}
	return target, nil
}

// liveDNS is where the agent of a member answers, as its Service says; ok is false
// where it has none.
func (s *site) liveDNS(ctx context.Context) (target clusterdns.Target, ok bool, err error) {
	list, err := s.member.Kube.CoreV1().Services(agentNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/part-of=eastwest"})
	if err != nil {
		return target, false, fmt.Errorf("list Services in %s: %w", agentNamespace, err)
	}
	for _, service := range list.Items {
		if answersDNS(service) && len(service.Spec.ClusterIPs) > 0 {
			return clusterdns.Target{Zone: clusterZone, Servers: service.Spec.ClusterIPs}, true, nil
		}
	}
	return clusterdns.Target{Zone: clusterZone}, false, nil
}

// object is a ConfigMap as the applier takes it; nil for nil.
func object(one *corev1.ConfigMap) (*unstructured.Unstructured, error) {
	if one == nil {
		return nil, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(one)
	if err != nil {
		return nil, fmt.Errorf("encode ConfigMap %s/%s: %w", one.Namespace, one.Name, err)
	}
	out := &unstructured.Unstructured{Object: content}
	out.SetAPIVersion("v1")
	out.SetKind("ConfigMap")
	return out, nil
}

// dnsAddress is where the agent itself is asked.
func dnsAddress(target clusterdns.Target) string {
	return net.JoinHostPort(target.Servers[0], strconv.Itoa(dnsPort))
}
