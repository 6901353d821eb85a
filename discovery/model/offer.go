package model

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unique"
)

// ServiceKey names a service. The same name in several members is one service.
type ServiceKey struct {
	Namespace, Name string
}

func (k ServiceKey) String() string { return k.Namespace + "/" + k.Name }

// Compare orders keys by namespace, then name.
func (k ServiceKey) Compare(other ServiceKey) int {
	switch {
	case k.Namespace < other.Namespace:
		return -1
	case k.Namespace > other.Namespace:
		return 1
	case k.Name < other.Name:
		return -1
	case k.Name > other.Name:
		return 1
	}
	return 0
}

// Protocol is the transport of a port.
type Protocol uint8

// The transports that Kubernetes knows. Only TCP goes through gateways.
const (
	TCP Protocol = iota
	UDP
	SCTP
)

func (p Protocol) String() string { return [...]string{"TCP", "UDP", "SCTP"}[p] }

// Port is a port of a Service, or of the endpoints in a slice, where the number
// is the one that the pods listen on. The name joins the two.
type Port struct {
	Name string
	// AppProtocol is what the port speaks, as its owner said; empty where not.
	AppProtocol string
	Number      uint16
	Protocol    Protocol
}

// String is as people write it: its name, if it has one, then 80/TCP.
func (p Port) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %d/%s", p.Name, p.Number, p.Protocol))
}

// ServiceType is how a service is reached by clients.
type ServiceType uint8

// The types of multi-cluster Services (KEP-1645).
const (
	// ClusterSetIP services have one address per importing cluster.
	ClusterSetIP ServiceType = iota
	// Headless services have the addresses of their endpoints.
	Headless
)

func (t ServiceType) String() string { return [...]string{"ClusterSetIP", "Headless"}[t] }

// Offer is what one member offers under one name: an exported service and its
// endpoints.
type Offer struct {
	Key  ServiceKey
	Type ServiceType
	// By says which APIs it is exported in; none where the agent's configuration does.
	By Dialects
	// Exported is when the member exported the service, by its own clock, in
	// whole seconds; it orders exporters (KEP-1645).
	Exported time.Time
	// Incumbent is the member that the exporter last saw have its way where exporters
	// differ; empty where it recorded nobody.
	Incumbent MemberName
	// Share is the exporter's own: others may have theirs.
	Share  Share
	Traits Traits
	// Ports are the service's, in the order of their owner.
	Ports []Port
	// Slices hold the endpoints, ordered by the slices' names.
	Slices []*Slice
}

// Dialects are APIs with ServiceExports.
type Dialects uint8

// The dialects: the API of SIG Multicluster, and that of GKE. An export in either
// is the same fact.
const (
	Upstream Dialects = 1 << iota
	GKE
)

// Slice is a set of endpoints with the same ports.
type Slice struct {
	Name      string
	Ports     []Port
	Endpoints Endpoints
	// Hostnames are those of the endpoints, by their place; nil where none has one,
	// as with all pods but those of StatefulSets.
	Hostnames []string
}

// Hostname is that of the endpoint at a place; empty where it has none.
func (s *Slice) Hostname(at int) string {
	if s.Hostnames == nil {
		return ""
	}
	return s.Hostnames[at]
}

// Equal compares slices by value. It reads endpoints only where the pointers differ,
// as after a member was listed anew.
func (s *Slice) Equal(other *Slice) bool {
	return s == other || s.Name == other.Name && slices.Equal(s.Ports, other.Ports) &&
		s.Endpoints.Equal(other.Endpoints) && slices.Equal(s.Hostnames, other.Hostnames)
}

// Endpoint is one address.
type Endpoint struct {
	Addr netip.Addr
	// Zone is where the endpoint is; the zero value where nobody said.
	Zone   Zone
	Health Health
}

// Zone is an interned name of an availability zone.
type Zone = unique.Handle[string]

// NoZone is the zone of endpoints that have none.
var NoZone = unique.Make("")

// Health says what an endpoint is good for.
type Health uint8

// The conditions of an endpoint.
const (
	// Serving endpoints are ready.
	Serving Health = iota
	// Draining endpoints are terminating but still serve: used only where no
	// endpoint of the service is Serving in that member.
	Draining
	// Unready endpoints are not used.
	Unready
)

// Shard is everything one member offers, at one moment. Its Services are shared
// with earlier shards of the member where they did not change.
type Shard struct {
	Member   *Member
	Services Offers
}
