package model

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"
)

// MemberName is our name of a member, a DNS label.
type MemberName string

// ClusterID is what a cluster's istiod calls the cluster; without istiod it is
// the member's name.
type ClusterID string

// NetworkID names a set of endpoints that reach each other directly.
type NetworkID string

// Member is what the agent knows of one member, from its record and from what
// its API says.
type Member struct {
	Name    MemberName
	ID      ClusterID
	Network NetworkID
	// Region is where the member is; empty where nobody said.
	Region string
	// UID is the UID of the member's namespace kube-system, pinned at joining.
	UID string
	// Identity is the SPIFFE ID of the member's gateways.
	Identity string
	// Gateways are the addresses that members of other networks dial.
	Gateways []HostPort
	// GatewayCIDRs are where the addresses of names among them must be; none where
	// nobody declared any.
	GatewayCIDRs []netip.Prefix
	State        State
	// Demoted members are used only where nobody else has an endpoint.
	Demoted bool
}

// SamePlaces reports whether there are the same members, on the same networks and in the
// same regions: what services are reached through depends on nothing else of them.
func SamePlaces(a, b map[MemberName]*Member) bool {
	return maps.EqualFunc(a, b, func(one, other *Member) bool {
		return one == other || one.Name == other.Name && one.Network == other.Network && one.Region == other.Region
	})
}

// HostPort is an address that peers dial.
type HostPort struct {
	// Host is an IP address or a DNS name.
	Host string
	Port uint16
	// Name is the DNS name that Host was an answer for; empty where Host was said
	// as it is.
	Name string
}

// IP is the host as an address; it is false for a DNS name.
func (a HostPort) IP() (netip.Addr, bool) {
	ip, err := netip.ParseAddr(a.Host)
	return ip, err == nil
}

func (a HostPort) String() string {
	if ip, ok := a.IP(); ok && ip.Is6() {
		return "[" + a.Host + "]:" + strconv.Itoa(int(a.Port))
	}
	return a.Host + ":" + strconv.Itoa(int(a.Port))
}

// State is where a member stands. Losing a member's API removes nothing: only
// Leaving does.
type State uint8

// The states of a member.
const (
	// Joining members have not been listed completely yet.
	Joining State = iota
	// Ready members are watched.
	Ready
	// Degraded members cannot be watched at the moment; what they last offered is kept.
	Degraded
	// Stale members have been degraded for longer than the stale-after time.
	Stale
	// Leaving members were removed; their endpoints drain.
	Leaving
	// Quarantined members turned out to be another cluster: nothing new is taken
	// from them, and what they last offered is kept until the stale-after time.
	Quarantined
)

var stateNames = [...]string{"joining", "ready", "degraded", "stale", "leaving", "quarantined"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText writes the state as its word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's word.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("no state of a member is called %q", text)
}
