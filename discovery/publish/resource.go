package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"weak"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// contents are the resources of one kind, by name.
type contents map[string]*resource

// resource is the content of a name, encoded once for all who get it.
type resource struct {
	// version is a hash of the content: it survives our restart, so that a stream
	// that resumes gets nothing that it has.
	version string
	// value is the content, and wire the whole field of a DeltaDiscoveryResponse that
	// holds it: what goes ahead of the value, and the value itself, of which there is one
	// copy.
	value []byte
	wire  [2]mem.Buffer
	// source is a weak pointer to the message that it was made from. A message
	// that comes again need not be encoded again, nor be kept for that.
	source any
}

const (
	versionBytes = 12
	// The fields of a DeltaDiscoveryResponse.
	fieldVersion   = 1
	fieldResources = 2
	fieldTypeURL   = 4
	fieldNonce     = 5
	fieldRemoved   = 6
	// Those of a Resource, and of the Any within: what holds the value comes last in each.
	resourceVersion  = 1
	resourceResource = 2
	resourceName     = 3
	anyTypeURL       = 1
	anyValue         = 2
)

// encodeAll makes resources of messages. Those that are in latest with the same
// content stay the same pointer, so that comparing pointers is comparing content.
func encodeAll[T any, M interface {
	*T
	proto.Message
}](into contents, kind kind, messages []M, name func(M) string, latest contents) error {
	for _, message := range messages {
		key := name(message)
		if key == "" || key == "*" {
			return fmt.Errorf("%s has the name %q", kind, key)
		}
		if into[key] != nil {
			return fmt.Errorf("%s %q is there twice", kind, key)
		}
		source := any(weak.Make((*T)(message)))
		before := latest[key]
		if before != nil && before.source == source {
			into[key] = before
			continue
		}
		made, err := encode(kind, key, message)
		if err != nil {
			return err
		}
		if before != nil && before.version == made.version {
			made = before
		}
		made.source = source
		into[key] = made
	}
	return nil
}

// takeEndpoints is encodeAll for what is encoded already.
func takeEndpoints(into contents, all []*eds.Assignment, latest contents) error {
	for _, one := range all {
		if one.Name == "" || one.Name == "*" {
			return fmt.Errorf("%s has the name %q", endpointKind, one.Name)
		}
		if into[one.Name] != nil {
			return fmt.Errorf("%s %q is there twice", endpointKind, one.Name)
		}
		if before := latest[one.Name]; before != nil && bytes.Equal(before.value, one.Wire) {
			into[one.Name] = before
			continue
		}
		into[one.Name] = newResource(endpointKind, one.Name, one.Wire)
	}
	return nil
}

func encode(kind kind, name string, message proto.Message) (*resource, error) {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode %s %q: %w", kind, name, err)
	}
	return newResource(kind, name, value), nil
}

// newResource puts around a value what makes it a resource of a response.
func newResource(kind kind, name string, value []byte) *resource {
	sum := sha256.Sum256(value)
	version := base64.RawURLEncoding.EncodeToString(sum[:versionBytes])
	typeURL := protowire.AppendString(protowire.AppendTag(nil, anyTypeURL, protowire.BytesType), typeURLs[kind])
	about := protowire.AppendString(protowire.AppendTag(nil, resourceVersion, protowire.BytesType), version)
	about = protowire.AppendString(protowire.AppendTag(about, resourceName, protowire.BytesType), name)
	inner := len(typeURL) + sizeBytes(anyValue, len(value))
	outer := len(about) + sizeBytes(resourceResource, inner)
	head := make([]byte, 0, sizeBytes(fieldResources, outer)-len(value))
	head = appendLength(head, fieldResources, outer)
	head = append(head, about...)
	head = appendLength(head, resourceResource, inner)
	head = append(head, typeURL...)
	head = appendLength(head, anyValue, len(value))
	return &resource{version: version, value: value, wire: [2]mem.Buffer{mem.SliceBuffer(head), mem.SliceBuffer(value)}}
}

func sizeBytes(field protowire.Number, size int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(size)
}

// appendLength is the beginning of a field of so many bytes.
func appendLength(to []byte, field protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, field, protowire.BytesType), uint64(size))
}

// decode is the content again, for dumps.
func (r *resource) decode(kind kind) *anypb.Any {
	return &anypb.Any{TypeUrl: typeURLs[kind], Value: r.value}
}
