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
	return eachField(raw, func(f field) error {
		switch f.number {
		case eventType:
			return f.text(&event.Type)
		case eventObject:
			return f.within(func(f field) error {
				if f.number == extensionRaw {
					return f.raw(&event.Object.Raw)
				}
				return nil
			})
		}
		return nil
	})
}

// enveloped is what is in an envelope, which must name the kind.
func enveloped(raw []byte, kind string) ([]byte, error) {
	content, found := bytes.CutPrefix(raw, magic)
	if !found {
		return nil, fmt.Errorf("%w: it is no protobuf of Kubernetes", errGarbled)
	}
	var within, named []byte
	err := eachField(content, func(f field) error {
		switch f.number {
		case envelopeRaw:
			return f.raw(&within)
		case envelopeTypeMeta:
			return f.within(func(f field) error {
				if f.number == typeMetaKind {
					return f.raw(&named)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: envelope: %w", errGarbled, err)
	}
	if string(named) != kind {
		return nil, fmt.Errorf("%w: it is %.40q, not %s", errGarbled, named, kind)
	}
	return within, nil
}
