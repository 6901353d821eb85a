package fakeapi

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubefields "k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// target is what a request is about.
type target struct {
	// path is that of the collection.
	path, namespace, name, sub string
}

// targetOf takes a path apart: /api/v1 or /apis/GROUP/VERSION, then
// [namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]].
func targetOf(path string) (target, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	from := 2
	if parts[0] == "apis" {
		from = 3
	}
	if len(parts) <= from {
		return target{}, false
	}
	out, rest := target{}, parts[from:]
	if rest[0] == "namespaces" && len(rest) > 2 {
		out.namespace, rest = rest[1], rest[2:]
	}
	out.path = "/" + strings.Join(append(slices.Clone(parts[:from]), rest[0]), "/")
	if len(rest) > 1 {
		out.name = rest[1]
	}
	if len(rest) > 2 {
		out.sub = strings.Join(rest[2:], "/")
	}
	return out, len(rest) < 4
}

// filter is what a client selected.
type filter struct {
	namespace string
	labels    labels.Selector
	fields    kubefields.Selector
}

func filterOf(to target, r *http.Request) (filter, error) {
	out := filter{namespace: to.namespace}
	var err error
	if out.labels, err = labels.Parse(r.URL.Query().Get("labelSelector")); err != nil {
		return out, err
	}
	out.fields, err = kubefields.ParseSelector(r.URL.Query().Get("fieldSelector"))
	return out, err
}

func (f filter) takes(one metav1.Object) bool {
	return (f.namespace == "" || f.namespace == one.GetNamespace()) && f.labels.Matches(labels.Set(one.GetLabels())) &&
		f.fields.Matches(kubefields.Set{"metadata.name": one.GetName(), "metadata.namespace": one.GetNamespace()})
}

// ServeHTTP implements http.Handler.
func (f *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.Requests = append(f.Requests, r.URL.Path+"?"+r.URL.RawQuery)
	intercept, to := f.Intercept, target{}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	admitted := f.Tokens == nil || f.Tokens[token]
	to, ok := targetOf(r.URL.Path)
	_, served := f.Objects[to.path]
	f.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	switch {
	case !admitted:
		refuse(w, http.StatusUnauthorized, "Unauthorized")
	case !ok || !served:
		refuse(w, http.StatusNotFound, "NotFound")
	case r.Method != http.MethodGet:
		f.write(w, r, to)
	case to.name != "":
		f.get(w, r, to)
	case r.URL.Query().Get("watch") != "" && r.URL.Query().Get("watch") != "false":
		f.watch(w, r, to)
	default:
		f.list(w, r, to)
	}
}

func refuse(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(code)
	_, _ = w.Write(encodeJSON(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: metav1.StatusReason(reason), Message: reason,
	}))
}

// inProtobuf reports whether an answer is in protobuf, and says so in its head.
func inProtobuf(w http.ResponseWriter, r *http.Request, path string) bool {
	_, marshals := newOf(path).(Marshaler)
	protobuf := marshals && strings.HasPrefix(r.Header.Get("Accept"), runtime.ContentTypeProtobuf)
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	if protobuf {
		w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	}
	return protobuf
}

// allLocked are the objects of a path that pass, in the order of their keys. The
// namespace kube-system is always there.
func (f *Server) allLocked(path string, takes func(metav1.Object) bool) []metav1.Object {
	objects := f.Objects[path]
	if path == NamespacePath {
		objects = maps.Clone(objects)
		system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem, UID: types.UID(f.UID)}}
		objects[Key(system)] = system
	}
	var all []metav1.Object
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		if takes(objects[key]) {
			all = append(all, objects[key])
		}
	}
	return all
}

func (f *Server) list(w http.ResponseWriter, r *http.Request, to target) {
	filter, err := filterOf(to, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest")
		return
	}
	protobuf := inProtobuf(w, r, to.path)
	f.mu.Lock()
	meta := metav1.ListMeta{ResourceVersion: strconv.Itoa(f.Revision)}
	content := listOf(to.path, meta, f.allLocked(to.path, filter.takes), protobuf)
	f.mu.Unlock()
	_, _ = w.Write(content)
}

func (f *Server) get(w http.ResponseWriter, r *http.Request, to target) {
	f.mu.Lock()
	all := f.allLocked(to.path, func(one metav1.Object) bool { return Key(one) == to.namespace+"/"+to.name })
	var content []byte
	if len(all) > 0 {
		content = encodeJSON(fields(to.path, all[0]))
	}
	f.mu.Unlock()
	if content == nil {
		refuse(w, http.StatusNotFound, "NotFound")
		return
	}
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	_, _ = w.Write(content)
}
