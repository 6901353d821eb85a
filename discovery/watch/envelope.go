package watch

import (
	"bytes"
	"errors"
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
	eventType, eventObject       = protowire.Number(1), protowire.Number(2)
	extensionRaw                 = protowire.Number(1)
	envelopeTypeMeta, typeMetaKind = protowire.Number(1), protowire.Number(2)
	envelopeRaw                  = protowire.Number(2)
)

var errNoBytes = errors.New("a field of another type than it should be")

// decodeEvent reads an event, whose object is valid as long as raw is.
func decodeEvent(raw []byte, event *metav1.WatchEvent) error {
	event.Reset()
	return eachField(raw, func(number protowire.Number, field []byte) error {
		switch number {
		case eventType:
			event.Type = string(field)
		case eventObject:
			return eachField(field, func(number protowire.Number, field []byte) error {
				if number == extensionRaw {
					event.Object.Raw = field
				}
				return nil
			}, extensionRaw)
		}
		return nil
	}, eventType, eventObject)
}

// enveloped is what is in an envelope, which must name the kind.
func enveloped(raw []byte, kind string) ([]byte, error) {
	content, found := bytes.CutPrefix(raw, magic)
	if !found {
		return nil, fmt.Errorf("%w: it is no protobuf of Kubernetes", errGarbled)
	}
	var within, named []byte
	err := eachField(content, func(number protowire.Number, field []byte) error {
		switch number {
		case envelopeRaw:
			within = field
		case envelopeTypeMeta:
			return eachField(field, func(number protowire.Number, field []byte) error {
				if number == typeMetaKind {
					named = field
				}
				return nil
			}, typeMetaKind)
		}
		return nil
	}, envelopeTypeMeta, envelopeRaw)
	if err != nil {
		return nil, fmt.Errorf("%w: envelope: %w", errGarbled, err)
	}
	if string(named) != kind {
		return nil, fmt.Errorf("%w: it is %.40q, not %s", errGarbled, named, kind)
	}
	return within, nil
}

// eachField calls do with every field of a message. Those that are named must be of bytes.
func eachField(content []byte, do func(number protowire.Number, field []byte) error, named ...protowire.Number) error {
	for len(content) > 0 {
		number, field, rest, err := nextField(content)
		if err != nil {
			return err
		}
		content = rest
		for _, one := range named {
			if one == number && field == nil {
				return errNoBytes
			}
		}
		if err := do(number, field); err != nil {
			return err
		}
	}
	return nil
}
