package watch

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// magic begins every protobuf object of Kubernetes.
var magic = []byte("k8s\x00")

// Fields of what is around an object. The types of Kubernetes copy it once for each layer;
// here it stays where it was read.
// Source: k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto (WatchEvent) and
// pkg/runtime/generated.proto (RawExtension, Unknown, TypeMeta).
const (
	eventType, eventObject         = protowire.Number(1), protowire.Number(2)
	extensionRaw                   = protowire.Number(1)
	envelopeTypeMeta, typeMetaKind = protowire.Number(1), protowire.Number(2)
	envelopeRaw                    = protowire.Number(2)
)

// decodeEvent reads an event, whose object is valid as long as raw is.
func decodeEvent(raw []byte, event *metav1.WatchEvent) error {
	event.Reset()
	f := fields{rest: raw}
	for f.next() {
		switch f.number {
		case eventType:
			event.Type = f.text()
		case eventObject:
			var err error
			event.Object.Raw, err = lastOf(f.content(), extensionRaw, event.Object.Raw)
			f.end(err)
		}
	}
	return f.err
}

// lastOf is the content of the last field of a number, as it counts in protobuf; what was
// before where there is none.
func lastOf(message []byte, number protowire.Number, before []byte) ([]byte, error) {
	f := fields{rest: message}
	for f.next() {
		if f.number == number {
			before = f.content()
		}
	}
	return before, f.err
}

// enveloped is what is in an envelope, which must name the kind.
func enveloped(raw []byte, kind string) ([]byte, error) {
	content, found := bytes.CutPrefix(raw, magic)
	if !found {
		return nil, fmt.Errorf("%w: it is no protobuf of Kubernetes", errGarbled)
	}
	var within, named []byte
	f := fields{rest: content}
	for f.next() {
		switch f.number {
		case envelopeRaw:
			within = f.content()
		case envelopeTypeMeta:
			var err error
			named, err = lastOf(f.content(), typeMetaKind, named)
			f.end(err)
		}
	}
	if f.err != nil {
		return nil, fmt.Errorf("%w: envelope: %w", errGarbled, f.err)
	}
	if string(named) != kind {
		return nil, fmt.Errorf("%w: it is %.40q, not %s", errGarbled, named, kind)
	}
	return within, nil
}
