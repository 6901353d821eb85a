package replay

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// resource is one that is served.
type resource struct {
	*table
	plural     string
	namespaced bool
}

// served are the resources that control planes read of a cluster that is not their own.
// Source for what a stock kube-apiserver serves: its own discovery, compared in the tests.
var served = []struct {
	kind       schema.GroupVersionKind
	plural     string
	namespaced bool
}{
	{corev1.SchemeGroupVersion.WithKind("Service"), "services", true},
	{corev1.SchemeGroupVersion.WithKind("Pod"), "pods", true},
	{corev1.SchemeGroupVersion.WithKind("ConfigMap"), "configmaps", true},
	{corev1.SchemeGroupVersion.WithKind("Secret"), "secrets", true},
	{corev1.SchemeGroupVersion.WithKind("Namespace"), "namespaces", false},
	{corev1.SchemeGroupVersion.WithKind("Node"), "nodes", false},
	{discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"), "endpointslices", true},
	{definitions, "customresourcedefinitions", false},
}

// definitions are served empty: a cluster on paper has no types of its own.
var definitions = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// known are the resources of a server that has nothing yet.
func known() map[schema.GroupResource]*resource {
	out := map[schema.GroupResource]*resource{}
	for _, one := range served {
		out[schema.GroupResource{Group: one.kind.Group, Resource: one.plural}] = &resource{newTable(one.kind), one.plural, one.namespaced}
	}
	return out
}

// holds reports whether an object is one of this resource.
func (r *resource) holds(one Object) bool {
	switch one.(type) {
	case *corev1.Service:
		return r.plural == "services"
	case *corev1.Pod:
		return r.plural == "pods"
	case *corev1.ConfigMap:
		return r.plural == "configmaps"
	case *corev1.Secret:
		return r.plural == "secrets"
	case *corev1.Namespace:
		return r.plural == "namespaces"
	case *corev1.Node:
		return r.plural == "nodes"
	case *discoveryv1.EndpointSlice:
		return r.plural == "endpointslices"
	}
	return false
}

// describe answers what is asked of the server itself.
func (s *Server) describe(w http.ResponseWriter, path string) bool {
	var answer any
	switch path {
	case "version":
		answer = version.Info{Major: "1", Minor: "36", GitVersion: "v1.36.3"}
	case "healthz", "readyz", "livez":
		_, _ = w.Write([]byte("ok"))
		return true
	case "api":
		answer = metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}
	case "apis":
		answer = groups()
	default:
		list, found := resources(path)
		if !found {
			return false
		}
		answer = list
	}
	writeJSON(w, http.StatusOK, answer)
	return true
}

func groups() metav1.APIGroupList {
	out := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for _, group := range []string{discoveryv1.GroupName, definitions.Group} {
		one := metav1.GroupVersionForDiscovery{GroupVersion: group + "/v1", Version: "v1"}
		out.Groups = append(out.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{one}, PreferredVersion: one})
	}
	return out
}

// resources is the list of a group's, by the path api/v1 or apis/GROUP/v1.
func resources(path string) (metav1.APIResourceList, bool) {
	out := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
	for _, one := range served {
		at := "apis/" + one.kind.GroupVersion().String()
		if one.kind.Group == "" {
			at = "api/v1"
		}
		if at == path {
			out.GroupVersion = one.kind.GroupVersion().String()
			out.APIResources = append(out.APIResources, metav1.APIResource{
				Name: one.plural, SingularName: strings.ToLower(one.kind.Kind), Namespaced: one.namespaced, Kind: one.kind.Kind,
				Verbs: metav1.Verbs{"get", "list", "watch"},
			})
		}
	}
	return out, len(out.APIResources) > 0
}

func onLoopback(template *x509.Certificate) { template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

func serverTLS(leaf *testca.Signer) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*leaf.TLS()}}
}
