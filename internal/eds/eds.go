// Package eds writes the endpoints of a cluster as Envoy reads them. It owns the
// encoding of envoy.config.endpoint.v3.ClusterLoadAssignment: straight from addresses
// to bytes, which are the same that the protobuf library makes, without a message for
// each endpoint in between, which would take ten times the memory of what is sent. It
// must not know where endpoints come from, nor who gets them.
package eds

import (
	"bytes"
	"fmt"
	"net/netip"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
)

// Assignment is the endpoints of a cluster, encoded. It must not be changed.
type Assignment struct {
	// Name is what the cluster asks for.
	Name string
	// Wire is the message, encoded.
	Wire []byte
}

// Locality is hosts in one place.
type Locality struct {
	Region, Zone, SubZone string
	// Priority is 0 for those that are used first.
	Priority uint32
	Hosts    []netip.AddrPort
	// Weight is that of each host, Weights are those of the single ones where they
	// differ; 0 and no weights: 1, which Envoy assumes.
	Weight  uint32
	Weights []uint32
	// Gateway is the name by which a transport socket is picked for all hosts, the value
	// of "gateway" in envoy.transport_socket_match; empty: they have no metadata.
	Gateway string
	// Unchecked exempts all hosts from active health checks.
	Unchecked bool
}

// Message decodes the assignment, for people and tests.
func (a *Assignment) Message() (*endpointv3.ClusterLoadAssignment, error) {
	out := &endpointv3.ClusterLoadAssignment{}
	if err := proto.Unmarshal(a.Wire, out); err != nil {
		return nil, fmt.Errorf("decode the endpoints of %s: %w", a.Name, err)
	}
	return out, nil
}

// Equal reports whether both say the same.
func (a *Assignment) Equal(other *Assignment) bool {
	return a == other || a != nil && other != nil && a.Name == other.Name && bytes.Equal(a.Wire, other.Wire)
}
