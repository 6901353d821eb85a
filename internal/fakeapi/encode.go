package fakeapi

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Marshaler is what can be sent as protobuf.
type Marshaler interface{ Marshal() ([]byte, error) }

// Envelope is an object, or a list, in protobuf as it travels.
func Envelope(kind string, one Marshaler) []byte {
	raw, err := one.Marshal()
	if err != nil {
		panic(err)
	}
	wrapped := runtime.Unknown{TypeMeta: runtime.TypeMeta{Kind: kind}, Raw: raw}
	content, err := wrapped.Marshal()
	if err != nil {
		panic(err)
	}
	return slices.Concat([]byte("k8s\x00"), content)
}

// Frame is an event of a watch in protobuf.
func Frame(kind string, object []byte) []byte {
	event := metav1.WatchEvent{Type: kind, Object: runtime.RawExtension{Raw: object}}
	content, err := event.Marshal()
	if err != nil {
		panic(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), content...)
}

// Status is an error as a server sends it within a watch.
func Status(code int32, message string) []byte {
	return Envelope("Status", &metav1.Status{Code: code, Message: message})
}

// eventOf is an event as it travels.
func eventOf(path string, what event, protobuf bool) []byte {
	if object, ok := what.object.(Marshaler); ok && protobuf {
		_, kind := kindOf(path)
		return Frame(what.kind, Envelope(kind, object))
	}
	return encodeJSON(map[string]any{"type": what.kind, "object": fields(path, what.object)})
}

// listOf is a collection as it travels.
func listOf(path string, meta metav1.ListMeta, all []metav1.Object, protobuf bool) []byte {
	apiVersion, kind := kindOf(path)
	if protobuf {
		// The list messages of all kinds have the same two fields, so that one of them
		// stands for all: 1 is the metadata, 2 each item.
		list := protoList{meta: meta}
		for _, one := range all {
			list.items = append(list.items, one.(Marshaler))
		}
		return Envelope(kind+"List", list)
	}
	items := []any{}
	for _, one := range all {
		items = append(items, fields(path, one))
	}
	return encodeJSON(map[string]any{"apiVersion": apiVersion, "kind": kind + "List", "metadata": meta, "items": items})
}

type protoList struct {
	meta  metav1.ListMeta
	items []Marshaler
}

// Marshal implements Marshaler.
func (l protoList) Marshal() ([]byte, error) {
	var out []byte
	for i, one := range append([]Marshaler{&l.meta}, l.items...) {
		content, err := one.Marshal()
		if err != nil {
			return nil, err
		}
		const bytesField = 2
		out = append(out, byte(min(i+1, 2)<<3|bytesField))
		out = append(binary.AppendUvarint(out, uint64(len(content))), content...)
	}
	return out, nil
}

func encodeJSON(value any) []byte {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return append(raw, '\n')
}
