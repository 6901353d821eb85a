package watch

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// fakeAPI speaks as much of the Kubernetes API as a member must, over pipes, so
// that tests can run it in a bubble with a clock of its own. It trusts its client:
// selectors are not applied.
type fakeAPI struct {
	server http.Server

	// mu guards what follows.
	mu       sync.Mutex
	uid      string
	revision int
	objects  map[string]map[string]metav1.Object // by path, then namespace/name
	watchers map[chan fakeEvent]string           // path
	conns    map[net.Conn]struct{}
	// refusing makes dialling fail; silent makes watches send nothing more.
	refusing, silent bool
	dials            int
	requests         []string
	// intercept answers a request itself where it returns true.
	intercept func(w http.ResponseWriter, r *http.Request) bool
	accepted  chan net.Conn
	closed    chan struct{}
}

type fakeEvent struct {
	kind   string
	object metav1.Object
	raw    []byte // instead of an event
}

const (
	servicePath = "/api/v1/services"
	slicePath   = "/apis/discovery.k8s.io/v1/endpointslices"
	exportPath  = "/apis/multicluster.x-k8s.io/v1beta1/serviceexports"
	exportOld   = "/apis/multicluster.x-k8s.io/v1alpha1/serviceexports"
	gkePath     = "/apis/net.gke.io/v1/serviceexports"
	gatewayPath = "/api/v1/namespaces/eastwest-system/services"
)

func newFakeAPI(t testing.TB) *fakeAPI {
	f := &fakeAPI{
		uid: "uid-1", revision: 100, watchers: map[chan fakeEvent]string{}, conns: map[net.Conn]struct{}{},
		objects:  map[string]map[string]metav1.Object{servicePath: {}, slicePath: {}, exportPath: {}, gatewayPath: {}},
		accepted: make(chan net.Conn), closed: make(chan struct{}),
	}
	f.server.Handler = f
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.server.Serve(f)
	}()
	t.Cleanup(func() {
		_ = f.server.Close()
		<-done
	})
	return f
}

// Accept, Close and Addr make it a listener.
func (f *fakeAPI) Accept() (net.Conn, error) {
	select {
	case conn := <-f.accepted:
		return conn, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *fakeAPI) Close() error   { close(f.closed); return nil }
func (f *fakeAPI) Addr() net.Addr { return &net.UnixAddr{} }

func (f *fakeAPI) config() *rest.Config {
	return &rest.Config{Host: "http://member", Dial: f.dial, BearerToken: "token"}
}

func (f *fakeAPI) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	f.mu.Lock()
	f.dials++
	refusing := f.refusing
	f.mu.Unlock()
	if refusing {
		return nil, errors.New("connection refused")
	}
	pipe, server := net.Pipe()
	client := &fakeConn{pipe, f}
	f.mu.Lock()
	f.conns[client] = struct{}{}
	f.mu.Unlock()
	select {
	case f.accepted <- server:
		return client, nil
	case <-f.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fakeConn is known as long as it is open.
type fakeConn struct {
	net.Conn
	api *fakeAPI
}

func (c *fakeConn) Close() error {
	c.api.do(func() { delete(c.api.conns, c) })
	return c.Conn.Close()
}

// do changes the server under its lock.
func (f *fakeAPI) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// cut closes every connection.
func (f *fakeAPI) cut() {
	f.mu.Lock()
	all := slices.Collect(maps.Keys(f.conns))
	f.mu.Unlock()
	for _, conn := range all {
		_ = conn.Close()
	}
}

// put stores objects and tells watchers.
func (f *fakeAPI) put(all ...metav1.Object) {
	f.do(func() {
		for _, one := range all {
			f.revision++
			one.SetResourceVersion(strconv.Itoa(f.revision))
			path := pathOf(one)
			kind := "ADDED"
			if _, found := f.objects[path][keyOf(one)]; found {
				kind = "MODIFIED"
			}
			f.objects[path][keyOf(one)] = one
			f.tellLocked(path, fakeEvent{kind: kind, object: one})
		}
	})
}

func (f *fakeAPI) delete(all ...metav1.Object) {
	f.do(func() {
		for _, one := range all {
			f.revision++
			one.SetResourceVersion(strconv.Itoa(f.revision))
			delete(f.objects[pathOf(one)], keyOf(one))
			f.tellLocked(pathOf(one), fakeEvent{kind: "DELETED", object: one})
		}
	})
}

// say sends raw bytes to the watchers of a path.
func (f *fakeAPI) say(path string, raw []byte) {
	f.do(func() { f.tellLocked(path, fakeEvent{raw: raw}) })
}

func (f *fakeAPI) tellLocked(path string, event fakeEvent) {
	for watcher, watched := range f.watchers {
		if watched == path && !f.silent {
			watcher <- event
		}
	}
}

// seen counts requests whose line begins so.
func (f *fakeAPI) seen(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := 0
	for _, one := range f.requests {
		if strings.HasPrefix(one, prefix) {
			count++
		}
	}
	return count
}

func (f *fakeAPI) dialled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

func pathOf(one metav1.Object) string {
	switch typed := one.(type) {
	case *corev1.Service:
		if typed.Namespace == gatewayNamespace {
			return gatewayPath
		}
		return servicePath
	case *discoveryv1.EndpointSlice:
		return slicePath
	case *metav1.PartialObjectMetadata:
		return gkePath
	}
	return exportPath
}

func keyOf(one metav1.Object) string { return one.GetNamespace() + "/" + one.GetName() }

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.URL.Path+"?"+r.URL.RawQuery)
	intercept := f.intercept
	f.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	if inJSON(r.URL.Path) {
		w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	}
	if r.URL.Path == "/api/v1/namespaces" {
		f.do(func() {
			list := &corev1.NamespaceList{
				ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(f.revision)},
				Items:    []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: kubeSystem, UID: types.UID(f.uid)}}},
			}
			_, _ = w.Write(envelope("NamespaceList", list))
		})
		return
	}
	f.mu.Lock()
	_, found := f.objects[r.URL.Path]
	f.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("watch") != "" {
		f.watch(w, r)
		return
	}
	f.list(w, r.URL.Path)
}

func (f *fakeAPI) list(w http.ResponseWriter, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	meta := metav1.ListMeta{ResourceVersion: strconv.Itoa(f.revision)}
	switch path {
	case slicePath:
		list := &discoveryv1.EndpointSliceList{ListMeta: meta}
		for _, one := range f.objects[path] {
			list.Items = append(list.Items, *one.(*discoveryv1.EndpointSlice))
		}
		_, _ = w.Write(envelope("EndpointSliceList", list))
	case exportPath, exportOld:
		_ = json.NewEncoder(w).Encode(map[string]any{
			"kind": "ServiceExportList", "metadata": meta, "items": slices.Collect(maps.Values(f.objects[path])),
		})
	case gkePath:
		list := &metav1.PartialObjectMetadataList{ListMeta: meta}
		for _, one := range f.objects[path] {
			list.Items = append(list.Items, *one.(*metav1.PartialObjectMetadata))
		}
		_, _ = w.Write(envelope("PartialObjectMetadataList", list))
	default:
		list := &corev1.ServiceList{ListMeta: meta}
		for _, one := range f.objects[path] {
			list.Items = append(list.Items, *one.(*corev1.Service))
		}
		_, _ = w.Write(envelope("ServiceList", list))
	}
}

func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request) {
	path, events := r.URL.Path, make(chan fakeEvent, 4096)
	f.mu.Lock()
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		for _, one := range f.objects[path] {
			events <- fakeEvent{kind: "ADDED", object: one}
		}
		events <- fakeEvent{kind: "BOOKMARK", object: f.bookmarkLocked(path, true)}
	} else if since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion")); since < f.revision {
		for _, one := range f.objects[path] {
			if version, _ := strconv.Atoi(one.GetResourceVersion()); version > since {
				events <- fakeEvent{kind: "MODIFIED", object: one}
			}
		}
	}
	f.watchers[events] = path
	f.mu.Unlock()
	defer f.do(func() { delete(f.watchers, events) })
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case event := <-events:
			raw := event.raw
			if raw == nil {
				raw = eventOf(event.kind, event.object)
			}
			if len(raw) == 0 {
				return
			}
			_, _ = w.Write(raw)
			_ = flush.Flush()
		}
	}
}

func (f *fakeAPI) bookmarkLocked(path string, end bool) metav1.Object {
	var one metav1.Object
	switch path {
	case slicePath:
		one = &discoveryv1.EndpointSlice{}
	case exportPath, exportOld:
		one = kubeExport("", "")
	case gkePath:
		one = &metav1.PartialObjectMetadata{}
	default:
		one = &corev1.Service{}
	}
	one.SetResourceVersion(strconv.Itoa(f.revision))
	if end {
		one.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	return one
}

// bookmark sends one to all watchers.
func (f *fakeAPI) bookmark() {
	f.do(func() {
		for _, path := range []string{servicePath, slicePath, exportPath, gkePath, gatewayPath} {
			f.tellLocked(path, fakeEvent{kind: "BOOKMARK", object: f.bookmarkLocked(path, false)})
		}
	})
}

func kindOf(one metav1.Object) string {
	switch one.(type) {
	case *corev1.Service:
		return "Service"
	case *discoveryv1.EndpointSlice:
		return "EndpointSlice"
	}
	return "PartialObjectMetadata"
}

// inJSON says of which resources there is nothing but JSON.
func inJSON(path string) bool { return path == exportPath || path == exportOld }

// eventOf is an event as it travels.
func eventOf(kind string, one metav1.Object) []byte {
	proto, ok := one.(interface{ Marshal() ([]byte, error) })
	if ok {
		return frame(kind, envelope(kindOf(one), proto))
	}
	raw, err := json.Marshal(map[string]any{"type": kind, "object": one})
	if err != nil {
		panic(err)
	}
	return append(raw, '\n')
}

func envelope(kind string, one interface{ Marshal() ([]byte, error) }) []byte {
	raw, err := one.Marshal()
	if err != nil {
		panic(err)
	}
	wrapped := runtime.Unknown{TypeMeta: runtime.TypeMeta{Kind: kind}, Raw: raw}
	content, err := wrapped.Marshal()
	if err != nil {
		panic(err)
	}
	return slices.Concat(magic, content)
}

func frame(kind string, object []byte) []byte {
	event := metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: object}}
	content, err := event.Marshal()
	if err != nil {
		panic(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), content...)
}

// metav1Status is an error as a server sends it within a watch.
type metav1Status struct {
	code    int32
	message string
}

func (s metav1Status) envelope() []byte {
	return envelope("Status", &metav1.Status{Code: s.code, Message: s.message})
}
