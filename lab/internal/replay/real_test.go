package replay

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.Main(m)) }

const space = "paper"

func service(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: name, Labels: map[string]string{"team": name}},
		Spec:       corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

func slice(name, address string) *discoveryv1.EndpointSlice {
	port, number := "http", int32(8080)
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: space, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "a"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &port, Port: &number}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}},
	}
}

// both are a real server and a replayed one with the same objects.
type both struct {
	configs [2]*rest.Config
	real    kubernetes.Interface
	paper   *Server
}

func newBoth(t *testing.T) *both {
	t.Helper()
	b := &both{real: testapi.Client(t), paper: Start(t, "paper")}
	paper, err := clientcmd.BuildConfigFromFlags("", b.paper.Kubeconfig(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	b.configs = [2]*rest.Config{testapi.Config(t), paper}
	if _, err := b.real.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: space}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := b.real.CoreV1().Services(space).Create(t.Context(), service(name), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// As the real one completes them, so that what differs is the protocol.
	list, err := b.real.CoreV1().Services(space).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		list.Items[i].ManagedFields = nil
		b.paper.Load(&list.Items[i])
	}
	b.put(t, slice("a-1", "10.0.0.1"), false)
	return b
}

// put makes or changes a slice in both.
func (b *both) put(t *testing.T, one *discoveryv1.EndpointSlice, change bool) {
	t.Helper()
	api := b.real.DiscoveryV1().EndpointSlices(space)
	made, err := one, error(nil)
	if change {
		made, err = api.Update(t.Context(), one, metav1.UpdateOptions{})
	} else {
		made, err = api.Create(t.Context(), one, metav1.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	made.ManagedFields = nil
	b.paper.Put(made.DeepCopy())
}

// answer is what can be compared of one.
type answer struct {
	Code        int
	ContentType string
	Body        []string
}

// ask puts a request to both and wants the same. Of a watch so many events are read.
func (b *both) ask(t *testing.T, what, path, accept string, events int) {
	t.Helper()
	var got [2]answer
	for i, config := range b.configs {
		got[i] = asked(t, config, path, accept, events)
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("%s: %s\n-real +replayed\n%s", what, path, diff)
	}
}

func asked(t *testing.T, config *rest.Config, path, accept string, events int) answer {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	out := answer{Code: response.StatusCode, ContentType: response.Header.Get("Content-Type")}
	if response.StatusCode != http.StatusOK {
		return out
	}
	if events == 0 {
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		out.Body = []string{readable(t, content)}
		return out
	}
	next := frames(response.Body)
	if strings.HasPrefix(accept, inJSON) {
		decoder := json.NewDecoder(response.Body)
		next = func(event *metav1.WatchEvent) error { return decoder.Decode(event) }
	}
	for range events {
		var event metav1.WatchEvent
		if err := next(&event); err != nil {
			t.Fatal(err)
		}
		out.Body = append(out.Body, event.Type+" "+readable(t, event.Object.Raw))
	}
	return out
}

// frames reads events in protobuf.
func frames(from io.Reader) func(*metav1.WatchEvent) error {
	return func(event *metav1.WatchEvent) error {
		var length [4]byte
		if _, err := io.ReadFull(from, length[:]); err != nil {
			return err
		}
		content := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(from, content); err != nil {
			return err
		}
		return event.Unmarshal(content)
	}
}

// readable decodes an object of either encoding and leaves out what no two servers have
// in common.
func readable(t *testing.T, content []byte) string {
	t.Helper()
	prefix := "JSON "
	if envelope, found := bytes.CutPrefix(content, []byte("k8s\x00")); found {
		var unknown runtime.Unknown
		if err := unknown.Unmarshal(envelope); err != nil {
			t.Fatal(err)
		}
		prefix = fmt.Sprintf("protobuf %s %s ", unknown.APIVersion, unknown.Kind)
		if partial := strings.TrimSuffix(unknown.Kind, "List"); partial == "PartialObjectMetadata" {
			content = partialText(t, unknown.Kind, unknown.Raw)
		} else {
			object, _, err := protobufs.Decode(content, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if content, err = json.Marshal(object); err != nil {
				t.Fatal(err)
			}
		}
	}
	var tree map[string]any
	if err := json.Unmarshal(content, &tree); err != nil {
		t.Fatal(err)
	}
	strip(tree)
	text, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return prefix + string(text)
}

func partialText(t *testing.T, kind string, raw []byte) []byte {
	t.Helper()
	var into interface{ Unmarshal([]byte) error } = &metav1.PartialObjectMetadata{}
	if strings.HasSuffix(kind, "List") {
		into = &metav1.PartialObjectMetadataList{}
	}
	if err := into.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(into)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// strip removes what differs: versions, tokens to go on with, who manages which field,
// and the kind of things within a list, which a typed list leaves out.
func strip(tree map[string]any) {
	for key, value := range tree {
		switch key {
		case "resourceVersion", "continue", "managedFields", "remainingItemCount":
			if value != "" {
				tree[key] = "is set"
			}
			if key == "managedFields" || key == "remainingItemCount" {
				delete(tree, key)
			}
		case "kind", "apiVersion":
			delete(tree, key)
		default:
			stripValue(value)
		}
	}
}

func stripValue(value any) {
	switch typed := value.(type) {
	case map[string]any:
		strip(typed)
	case []any:
		for _, one := range typed {
			stripValue(one)
		}
	}
}

const (
	inProtobuf = runtime.ContentTypeProtobuf
	inJSON     = runtime.ContentTypeJSON
	metadata   = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	listed     = ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// TestAsARealServer puts the requests of clients to a real server and to a replayed one.
func TestAsARealServer(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	services, slices := "/api/v1/namespaces/"+space+"/services", "/apis/discovery.k8s.io/v1/endpointslices?"+"fieldSelector=metadata.namespace%3D"+space
	b.ask(t, "a list", services, inProtobuf, 0)
	b.ask(t, "a list in JSON", services, inJSON, 0)
	b.ask(t, "the first choice is not known", services, "application/cbor,application/json", 0)
	b.ask(t, "metadata", services, inProtobuf+listed+","+inJSON, 0)
	b.ask(t, "metadata in JSON", services, inJSON+listed, 0)
	b.ask(t, "a page", services+"?limit=2", inProtobuf, 0)
	b.ask(t, "by label", services+"?labelSelector=team+in+(a,c)", inProtobuf, 0)
	b.ask(t, "by field, all namespaces", slices, inProtobuf, 0)
	b.ask(t, "by a field that is none", services+"?fieldSelector=spec.x%3Dy", inProtobuf, 0)
	b.ask(t, "one", services+"/b", inProtobuf, 0)
	b.ask(t, "one that is not there", services+"/x", inProtobuf, 0)
	b.ask(t, "a group that is not there", "/apis/net.gke.io/v1/serviceexports", inJSON, 0)
	b.ask(t, "a type without objects", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", inJSON+listed, 0)

	const begin = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
	b.ask(t, "a watch that begins with a list", services+"?"+begin, inProtobuf, 4)
	b.ask(t, "in JSON", services+"?"+begin, inJSON, 4)
	b.ask(t, "cut down to metadata", services+"?"+begin, inProtobuf+metadata, 4)
	b.ask(t, "of one by name", services+"?fieldSelector=metadata.name%3Db&"+begin, inProtobuf, 2)
	b.ask(t, "a watch from now on without a version", services+"?watch=1", inProtobuf, 3)
}

// TestChangesAsOfARealServer follows both while objects come, change and go.
func TestChangesAsOfARealServer(t *testing.T) {
	t.Parallel()
	paper := Start(t, "changes")
	config, err := clientcmd.BuildConfigFromFlags("", paper.Kubeconfig(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	paper.Put(slice("a-1", "10.0.0.1"))
	list, err := client.DiscoveryV1().EndpointSlices("").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("got %d slices, %v", len(list.Items), err)
	}
	changed := paper.Put(slice("a-1", "10.0.0.2"))
	stream, err := client.DiscoveryV1().EndpointSlices("").Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Stop()
	paper.Put(slice("a-2", "10.0.0.3"))
	paper.Put(service("other")) // of another kind
	paper.Remove(slice("a-1", ""))
	var got []string
	for range 3 {
		event := <-stream.ResultChan()
		one := event.Object.(*discoveryv1.EndpointSlice)
		got = append(got, fmt.Sprintf("%s %s %s", event.Type, one.Name, one.Endpoints[0].Addresses[0]))
		if len(got) == 1 && one.ResourceVersion != changed {
			t.Errorf("version %s, want %s", one.ResourceVersion, changed)
		}
	}
	if diff := cmp.Diff([]string{"MODIFIED a-1 10.0.0.2", "ADDED a-2 10.0.0.3", "DELETED a-1 10.0.0.2"}, got); diff != "" {
		t.Error(diff)
	}
	stale, err := client.DiscoveryV1().EndpointSlices("").Watch(t.Context(), metav1.ListOptions{ResourceVersion: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer stale.Stop()
	if event := <-stale.ResultChan(); event.Type != "ERROR" || event.Object.(*metav1.Status).Code != http.StatusGone {
		t.Errorf("from a version that is forgotten: %+v", event)
	}
}
