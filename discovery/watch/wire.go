package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// acceptObjects is the encoding of built-in resources, a third of the size of
// JSON. acceptMetadata makes the server cut objects down to their metadata, in
// the same encoding: of a ServiceExport nothing else is needed, so neither its
// Go types nor JSON are.
const (
	acceptObjects  = runtime.ContentTypeProtobuf
	acceptMetadata = runtime.ContentTypeProtobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	acceptLists    = runtime.ContentTypeProtobuf + ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// errGarbled is an answer that is not what was asked for.
var errGarbled = errors.New("the answer cannot be decoded")

// magic begins every protobuf object of Kubernetes.
var magic = []byte("k8s\x00")

// decodeUnknown decodes an object in its envelope, which must name the kind.
func decodeUnknown(raw []byte, kind string, into interface{ Unmarshal([]byte) error }) error {
	content, found := bytes.CutPrefix(raw, magic)
	if !found {
		return fmt.Errorf("%w: it is no protobuf of Kubernetes", errGarbled)
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(content); err != nil {
		return fmt.Errorf("%w: envelope: %w", errGarbled, err)
	}
	if envelope.Kind != kind {
		return fmt.Errorf("%w: it is %.40q, not %s", errGarbled, envelope.Kind, kind)
	}
	if err := into.Unmarshal(envelope.Raw); err != nil {
		return fmt.Errorf("%w: %s: %w", errGarbled, kind, err)
	}
	return nil
}

// frames reads the events of a watch.
type frames struct {
	from   io.Reader
	buffer []byte
}

// next reads one event. What it returns is valid until the next call.
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
	event.Reset()
	if err := event.Unmarshal(f.buffer); err != nil {
		return fmt.Errorf("%w: event: %w", errGarbled, err)
	}
	return nil
}
