package publish

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"weak"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// contents are the resources of one kind, by name.
type contents map[string]*resource

// resource is the content of a name, encoded once for all who get it.
type resource struct {
	// version is a hash of the content: it survives our restart, so that a stream
	// that resumes gets nothing that it has.
	version string
	// wire is the whole field of a DeltaDiscoveryResponse that holds the resource.
	wire mem.Buffer
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

func encode(kind kind, name string, message proto.Message) (*resource, error) {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode %s %q: %w", kind, name, err)
	}
	sum := sha256.Sum256(value)
	version := base64.RawURLEncoding.EncodeToString(sum[:versionBytes])
	entry, err := proto.Marshal(&discoveryv3.Resource{
		Name: name, Version: version, Resource: &anypb.Any{TypeUrl: typeURLs[kind], Value: value},
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s %q: %w", kind, name, err)
	}
	wire := make([]byte, 0, len(entry)+protowire.SizeTag(fieldResources)+protowire.SizeVarint(uint64(len(entry))))
	wire = protowire.AppendTag(wire, fieldResources, protowire.BytesType)
	return &resource{version: version, wire: mem.SliceBuffer(protowire.AppendBytes(wire, entry))}, nil
}

// decode is the content again, for dumps.
func (r *resource) decode() (*anypb.Any, error) {
	response := &discoveryv3.DeltaDiscoveryResponse{}
	if err := proto.Unmarshal(r.wire.ReadOnlyData(), response); err != nil {
		return nil, err
	}
	return response.GetResources()[0].GetResource(), nil
}
