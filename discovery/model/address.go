package model

import (
	"net/netip"
	"slices"
)

// Elsewhere reports whether an address can be one of another cluster, for
// endpoints and gateways alike. One that cannot is the dialling host's own, or
// everybody's.
func Elsewhere(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !ip.IsMulticast() && !ip.IsUnspecified() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && !ip.Is4In6() && ip.Zone() == ""
}

// Within reports whether an address is in one of the declared ranges; all are
// where none was declared.
func Within(declared []netip.Prefix, ip netip.Addr) bool {
	return len(declared) == 0 || slices.ContainsFunc(declared, func(p netip.Prefix) bool { return p.Contains(ip) })
}
