package fakeapi

import (
	"encoding/json"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Paths of collections.
const (
	ServicePath   = "/api/v1/services"
	NamespacePath = "/api/v1/namespaces"
	SecretPath    = "/api/v1/secrets"
	SlicePath     = "/apis/discovery.k8s.io/v1/endpointslices"
	ExportPath    = "/apis/multicluster.x-k8s.io/v1beta1/serviceexports"
	ExportOldPath = "/apis/multicluster.x-k8s.io/v1alpha1/serviceexports"
	GKEPath       = "/apis/net.gke.io/v1/serviceexports"
)

// Key is how an object is found in its collection.
func Key(one metav1.Object) string { return one.GetNamespace() + "/" + one.GetName() }

// pathOf is the collection of an object. What is not known otherwise is a ServiceExport.
func pathOf(one metav1.Object) string {
	switch typed := one.(type) {
	case *corev1.Service:
		return ServicePath
	case *discoveryv1.EndpointSlice:
		return SlicePath
	case *corev1.Namespace:
		return NamespacePath
	case *corev1.Secret:
		return SecretPath
	case *metav1.PartialObjectMetadata:
		return GKEPath
	case *unstructured.Unstructured:
		group := "/apis/"
		if !strings.Contains(typed.GetAPIVersion(), "/") {
			group = "/api/"
		}
		return group + typed.GetAPIVersion() + "/" + strings.TrimSuffix(strings.ToLower(typed.GetKind()), "s") + "s"
	}
	return ExportPath
}

// kindOf is what objects of a path are called.
func kindOf(path string) (apiVersion, kind string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	apiVersion = strings.Join(parts[1:len(parts)-1], "/")
	if path == GKEPath {
		return apiVersion, "PartialObjectMetadata"
	}
	resource := parts[len(parts)-1]
	if kind, known := kinds[resource]; known {
		return apiVersion, kind
	}
	panic("no kind is known of " + path)
}

var kinds = map[string]string{
	"services": "Service", "endpointslices": "EndpointSlice", "endpoints": "Endpoints", "namespaces": "Namespace", "secrets": "Secret",
	"serviceexports": "ServiceExport", "serviceimports": "ServiceImport", "leases": "Lease", "memberclusters": "MemberCluster", "events": "Event",
}

// Put stores objects and tells watchers.
func (f *Server) Put(all ...metav1.Object) {
	f.Do(func() {
		for _, one := range all {
			f.putLocked(pathOf(one), one)
		}
	})
}

func (f *Server) putLocked(path string, one metav1.Object) {
	f.Revision++
	one.SetResourceVersion(strconv.Itoa(f.Revision))
	if one.GetUID() == "" {
		one.SetUID(types.UID("uid-" + one.GetResourceVersion()))
	}
	kind := "ADDED"
	if _, found := f.Objects[path][Key(one)]; found {
		kind = "MODIFIED"
	}
	if f.Objects[path] == nil {
		f.Objects[path] = map[string]metav1.Object{}
	}
	f.Objects[path][Key(one)] = one
	delete(f.gone[path], Key(one))
	f.tellLocked(path, event{kind: kind, object: one})
}

// Delete removes objects and tells watchers.
func (f *Server) Delete(all ...metav1.Object) {
	f.Do(func() {
		for _, one := range all {
			f.deleteLocked(pathOf(one), one)
		}
	})
}

func (f *Server) deleteLocked(path string, one metav1.Object) {
	f.Revision++
	one.SetResourceVersion(strconv.Itoa(f.Revision))
	delete(f.Objects[path], Key(one))
	if f.gone[path] == nil {
		f.gone[path] = map[string]metav1.Object{}
	}
	f.gone[path][Key(one)] = one
	f.tellLocked(path, event{kind: "DELETED", object: one})
}

// newOf is an empty object of a path: Services, slices and Namespaces are typed, so that
// they can be sent as protobuf, others are not.
func newOf(path string) metav1.Object {
	switch path {
	case ServicePath:
		return &corev1.Service{}
	case SlicePath:
		return &discoveryv1.EndpointSlice{}
	case NamespacePath:
		return &corev1.Namespace{}
	case SecretPath:
		return &corev1.Secret{}
	case GKEPath:
		return &metav1.PartialObjectMetadata{}
	}
	return &unstructured.Unstructured{Object: map[string]any{}}
}

// fields are an object as JSON has it, with its kind.
func fields(path string, one metav1.Object) map[string]any {
	out := map[string]any{}
	if raw, ok := one.(*unstructured.Unstructured); ok {
		out = raw.DeepCopy().Object
	} else if text, err := json.Marshal(one); err != nil {
		panic(err)
	} else if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	if out["kind"] == nil {
		out["apiVersion"], out["kind"] = kindOf(path)
	}
	return out
}

// objectOf is fields the other way round.
func objectOf(path string, from map[string]any) (metav1.Object, error) {
	into := newOf(path)
	if raw, ok := into.(*unstructured.Unstructured); ok {
		raw.Object = from
		return raw, nil
	}
	return into, runtime.DefaultUnstructuredConverter.FromUnstructured(from, into)
}
