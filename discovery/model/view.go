package model

import "slices"

// View is all shards merged. It is immutable.
type View struct {
	Members  map[MemberName]*Member
	Services Services
}

// Service is one name over all members that export it.
type Service struct {
	Key    ServiceKey
	Type   ServiceType
	Traits Traits
	// Ports are the union of the exporters' ports, without those that lost a
	// conflict.
	Ports []Port
	// Exporters are all members that export the service. The first one's values
	// hold where they differ, then those of the second, and so on.
	Exporters []MemberName
	// Offers are what it was made from, in the same order. What an exporter says now may
	// differ in what makes no difference.
	Offers []*Offer
	// Backends are the exporters that have an endpoint of use, ordered by name. A
	// service without any keeps its place, so that its name does not vanish.
	Backends  []Backend
	Conflicts []Conflict
	// Cut is what quotas left out.
	Cut Cut
}

// Cut is what was left out of a service because of a quota.
type Cut struct {
	// Exporters are the members whose exports do not count, by name.
	Exporters []MemberName
	// Ports and Endpoints are how many are missing.
	Ports, Endpoints int
}

// Equal compares by value.
func (c Cut) Equal(other Cut) bool {
	return c.Ports == other.Ports && c.Endpoints == other.Endpoints && slices.Equal(c.Exporters, other.Exporters)
}

// Backend is what one member contributes to a service.
type Backend struct {
	Member MemberName
	// Ports are names of the service's ports that this member serves: traffic for
	// a port goes only where the port won (KEP-1645).
	Ports []string
	// Share is the offer's.
	Share Share
	// Slices are the offer's.
	Slices []*Slice
}

// Conflict is a difference between exporters. It never stops anything: the
// winner's value holds.
type Conflict struct {
	Service ServiceKey
	Reason  ConflictReason
	// Winner's value holds; the Losers said something else.
	Winner MemberName
	Losers []MemberName
	// Message names the field and the winner's value.
	Message string
}

// ConflictReason is the reason of a Conflict condition of the MCS API.
type ConflictReason string

// Reasons of conflicts (sigs.k8s.io/mcs-api, pkg/apis/v1beta1), but for the last two.
const (
	PortConflict                  ConflictReason = "PortConflict"
	TypeConflict                  ConflictReason = "TypeConflict"
	SessionAffinityConflict       ConflictReason = "SessionAffinityConflict"
	SessionAffinityConfigConflict ConflictReason = "SessionAffinityConfigConflict"
	InternalTrafficPolicyConflict ConflictReason = "InternalTrafficPolicyConflict"
	TrafficDistributionConflict   ConflictReason = "TrafficDistributionConflict"
	IPFamilyConflict              ConflictReason = "IPFamilyConflict"
	LabelsConflict                ConflictReason = "LabelsConflict"
	AnnotationsConflict           ConflictReason = "AnnotationsConflict"
	// PreferenceConflict is ours: exporters want different members used first.
	PreferenceConflict ConflictReason = "PreferenceConflict"
	// IncumbentConflict is ours: exporters recorded different incumbents, as after
	// they did not see each other for a while, so that importers may differ, too.
	IncumbentConflict ConflictReason = "IncumbentConflict"
)

// Vantage is who asks: what may be reached and how depends on it.
type Vantage struct {
	Member  MemberName
	Network NetworkID
	Region  string
}
