package watch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// acceptObjects is the encoding of built-in resources, a third of the size of
// JSON, which is all that custom resources have. acceptMetadata makes the server
// cut those down to their metadata, in protobuf, where nothing else is needed.
const (
	acceptObjects  = runtime.ContentTypeProtobuf
	acceptJSON     = runtime.ContentTypeJSON
	acceptMetadata = runtime.ContentTypeProtobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	acceptLists    = runtime.ContentTypeProtobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// wire is an encoding: how events are told apart, and how an error within a watch
// is read.
type wire struct {
	events func(from io.Reader) events
	status func(raw []byte, into *metav1.Status) error
}

// events reads the events of a watch one by one. What next fills in is valid until
// the next call.
type events interface {
	next(event *metav1.WatchEvent) error
}

var protobufWire = wire{
	events: func(from io.Reader) events { return &frames{from: from} },
	status: func(raw []byte, into *metav1.Status) error { return decodeUnknown(raw, "Status", into) },
}

// errGarbled is an answer that is not what was asked for.
var errGarbled = errors.New("the answer cannot be decoded")

// decodeUnknown decodes an object in its envelope, which must name the kind.
func decodeUnknown(raw []byte, kind string, into interface{ Unmarshal([]byte) error }) error {
	content, err := enveloped(raw, kind)
	if err != nil {
		return err
	}
	if err := decodeBounded(content, into); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// frames are events in protobuf, each behind its length.
type frames struct {
	from   io.Reader
	buffer []byte
}

func (f *frames) next(event *metav1.WatchEvent) error {
	var length [4]byte
	if _, err := io.ReadFull(f.from, length[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxObject {
		return fmt.Errorf("%w: an object of %d bytes", errTooLarge, size)
	}
	if int(size) > cap(f.buffer) {
		f.buffer = make([]byte, size)
	}
	f.buffer = f.buffer[:size]
	if _, err := io.ReadFull(f.from, f.buffer); err != nil {
		return fmt.Errorf("%w: a frame was cut: %w", errGarbled, err)
	}
	if err := decodeEvent(f.buffer, event); err != nil {
		return fmt.Errorf("%w: event: %w", errGarbled, err)
	}
	return nil
}
