package publish

import (
	"context"
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that ours is about
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// body is an answer without its nonce, encoded, and shared by all streams that
// get the same.
type body struct {
	version   string
	resources []*resource
	removed   []string
	buffers   []mem.Buffer
	bytes     int
}

// scratch holds the parts of the body that is being composed.
type scratch struct {
	names     []string
	resources []*resource
	removed   []string
}

// bodyLocked encodes the scratch, or finds it encoded.
func (t *table) bodyLocked(parts *scratch) *body {
	version := t.versionLocked()
	if t.last != nil && t.last.version == version &&
		slices.Equal(t.last.resources, parts.resources) && slices.Equal(t.last.removed, parts.removed) {
		return t.last
	}
	made := &body{
		version: version, resources: slices.Clone(parts.resources), removed: slices.Clone(parts.removed),
		buffers: make([]mem.Buffer, 0, 2*len(parts.resources)+1),
	}
	for _, one := range made.resources {
		made.buffers = append(made.buffers, one.wire[:]...)
	}
	var rest []byte
	rest = protowire.AppendString(protowire.AppendTag(rest, fieldVersion, protowire.BytesType), version)
	rest = protowire.AppendString(protowire.AppendTag(rest, fieldTypeURL, protowire.BytesType), typeURLs[t.kind])
	for _, name := range made.removed {
		rest = protowire.AppendString(protowire.AppendTag(rest, fieldRemoved, protowire.BytesType), name)
	}
	made.buffers = append(made.buffers, mem.SliceBuffer(rest))
	made.bytes = mem.BufferSlice(made.buffers).Len()
	t.last = made
	return made
}

// answer is a body on its way to one stream.
type answer struct {
	to   *subscription
	body *body
	// head is what go-control-plane's server sees; it sets the nonce there.
	head discoveryv3.DeltaDiscoveryResponse
	// nonce and few have room for the usual encoding.
	nonce [16]byte
	few   [4]mem.Buffer
}

// GetDeltaDiscoveryResponse is called by the server right before Send.
func (a *answer) GetDeltaDiscoveryResponse() (*discoveryv3.DeltaDiscoveryResponse, error) {
	a.to.session.sending = a
	return &a.head, nil
}

// GetDeltaRequest names the type, which is all that the server reads of it.
func (a *answer) GetDeltaRequest() *discoveryv3.DeltaDiscoveryRequest { return requests[a.to.kind] }

// GetNextVersionMap is empty: what the stream has is kept in its subscription. The
// server calls it on the goroutine that writes to it.
func (a *answer) GetNextVersionMap() map[string]string {
	clear(a.to.none)
	return a.to.none
}

// GetReturnedResources is GetNextVersionMap by its new name.
func (a *answer) GetReturnedResources() map[string]string { return a.GetNextVersionMap() }

// GetSystemVersion is the version of the whole table.
func (a *answer) GetSystemVersion() (string, error) { return a.body.version, nil }

// GetResponseVersion is GetSystemVersion by its new name.
func (a *answer) GetResponseVersion() string { return a.body.version }

// GetContext is part of the server's interface, which does not call it.
func (a *answer) GetContext() context.Context { return a.to.session.Context() }

// requests are empty requests of every type.
var requests = func() (all [kinds]*discoveryv3.DeltaDiscoveryRequest) {
	for kind := range all {
		all[kind] = &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURLs[kind]}
	}
	return all
}()

// encode puts the nonce behind the body. Fields of a message may come in any
// order, so nothing of what streams share is copied. The slice is the stream's
// own, because gRPC consumes it.
func (a *answer) encode() mem.BufferSlice {
	nonce := protowire.AppendTag(a.nonce[:0], fieldNonce, protowire.BytesType)
	buffers := a.few[:0]
	if need := len(a.body.buffers) + 1; need > cap(buffers) {
		buffers = make([]mem.Buffer, 0, need)
	}
	buffers = append(buffers, a.body.buffers...)
	return append(buffers, mem.SliceBuffer(protowire.AppendString(nonce, a.head.GetNonce())))
}

// codec is gRPC's own, but for answers, which are encoded already.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(message any) (mem.BufferSlice, error) {
	if a, ok := message.(*answer); ok {
		return a.encode(), nil
	}
	return c.CodecV2.Marshal(message)
}
