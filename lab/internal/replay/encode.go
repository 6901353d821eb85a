package replay

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// encoding is one way to say an object.
type encoding struct {
	// protobuf, or else JSON.
	protobuf bool
	// metadata cuts objects down to that.
	metadata bool
}

// encodings are all there are.
var encodings = [...]encoding{{false, false}, {true, false}, {false, true}, {true, true}}

// index is the place of an encoding among them.
func (e encoding) index() int {
	at := 0
	if e.protobuf {
		at++
	}
	if e.metadata {
		at += 2
	}
	return at
}

// accepted is the first encoding of a request's header that is known.
func accepted(header string) encoding {
	for one := range strings.SplitSeq(header, ",") {
		kind, parameters, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		out := encoding{protobuf: kind == runtime.ContentTypeProtobuf, metadata: strings.HasPrefix(parameters["as"], "PartialObjectMetadata")}
		if out.protobuf || kind == runtime.ContentTypeJSON {
			return out
		}
	}
	return encoding{}
}

// contentType is what an answer says of itself.
func (e encoding) contentType(watch bool) string {
	switch {
	case e.protobuf && watch:
		return runtime.ContentTypeProtobuf + ";stream=watch"
	case e.protobuf:
		return runtime.ContentTypeProtobuf
	}
	return runtime.ContentTypeJSON
}

var protobufs = protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)

// object encodes one, or a list.
func (e encoding) object(one runtime.Object) ([]byte, error) {
	if !e.protobuf {
		return json.Marshal(one)
	}
	var out bytes.Buffer
	if err := protobufs.Encode(one, &out); err != nil {
		return nil, fmt.Errorf("encode %T: %w", one, err)
	}
	return out.Bytes(), nil
}

// event encodes an event of a watch.
func (e encoding) event(kind string, object []byte) ([]byte, error) {
	event := metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: object}}
	if !e.protobuf {
		text, err := json.Marshal(event)
		return append(text, '\n'), err
	}
	content, err := event.Marshal()
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), content...), err
}

// form is the object that is encoded for a client: the object itself, or its metadata.
func (e encoding) form(one Object) runtime.Object {
	if !e.metadata {
		return one
	}
	partial := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
		ObjectMeta: metav1.ObjectMeta{},
	}
	partial.SetName(one.GetName())
	partial.SetNamespace(one.GetNamespace())
	partial.SetUID(one.GetUID())
	partial.SetResourceVersion(one.GetResourceVersion())
	partial.SetLabels(one.GetLabels())
	partial.SetAnnotations(one.GetAnnotations())
	partial.SetCreationTimestamp(one.GetCreationTimestamp())
	return partial
}

// empty is an object of a resource with nothing in it, for bookmarks.
func (r *resource) empty(as encoding) Object {
	if as.metadata {
		one := &metav1.PartialObjectMetadata{}
		one.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
		return one
	}
	if made, err := scheme.Scheme.New(r.kind); err == nil {
		made.GetObjectKind().SetGroupVersionKind(r.kind)
		if one, is := made.(Object); is {
			return one
		}
	}
	one := &unstructured.Unstructured{}
	one.SetGroupVersionKind(r.kind)
	return one
}

// fill puts objects into a list of Kubernetes' own.
func fill(list runtime.Object, kind schema.GroupVersionKind, objects []runtime.Object, about metav1.ListMeta) error {
	list.GetObjectKind().SetGroupVersionKind(kind)
	if err := meta.SetList(list, objects); err != nil {
		return fmt.Errorf("make a %s: %w", kind.Kind, err)
	}
	accessor, err := meta.ListAccessor(list)
	if err != nil {
		return fmt.Errorf("make a %s: %w", kind.Kind, err)
	}
	accessor.SetResourceVersion(about.ResourceVersion)
	accessor.SetContinue(about.Continue)
	return nil
}
