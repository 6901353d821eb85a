package model

import (
	"maps"
	"net/netip"
	"slices"
)

// Traits are what an exporter says of how its service is used, beside its type and
// its ports. Where exporters differ, one of them has its way (KEP-1645).
type Traits struct {
	// ClientIP is true where connections of one client go to one endpoint, for
	// AffinitySeconds after the last one.
	ClientIP        bool
	AffinitySeconds int32
	// InternalTrafficPolicy is Cluster or Local; empty: Cluster.
	InternalTrafficPolicy string
	// TrafficDistribution is a preference such as PreferSameZone; empty: none.
	TrafficDistribution string
	// Prefer is which members' endpoints are used first.
	Prefer Preference
	// Families are those of the service's addresses, the preferred one first.
	Families []Family
	// Labels and Annotations are those that the exporter wants on the import. They
	// are never changed once they are here.
	Labels, Annotations map[string]string
}

// Family is an IP family, as Kubernetes spells it.
type Family string

// The families.
const (
	IPv4 Family = "IPv4"
	IPv6 Family = "IPv6"
)

// FamilyOf is the family of an address.
func FamilyOf(address netip.Addr) Family {
	if address.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// Equal compares traits by value; no map is an empty one.
func (t Traits) Equal(other Traits) bool {
	return t.ClientIP == other.ClientIP && t.AffinitySeconds == other.AffinitySeconds &&
		t.InternalTrafficPolicy == other.InternalTrafficPolicy && t.TrafficDistribution == other.TrafficDistribution &&
		t.Prefer == other.Prefer && slices.Equal(t.Families, other.Families) &&
		maps.Equal(t.Labels, other.Labels) && maps.Equal(t.Annotations, other.Annotations)
}
