package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The families of addresses, which are looked up apart.
const families = 2

var networks = [families]string{"ip4", "ip6"}

// found is what a lookup in one family brought.
type found struct {
	addresses []netip.Addr
	// none is true where DNS says that there are none, and failure is why it said
	// nothing.
	none    bool
	failure string
}

// foundOf reads the result of a lookup. Its errors name ports that differ with every
// attempt; what is kept of them does not.
func foundOf(addresses []netip.Addr, err error) found {
	var wrong *net.DNSError
	switch {
	case err == nil && len(addresses) > 0:
		return found{addresses: ordered(addresses)}
	case err == nil, errors.As(err, &wrong) && wrong.IsNotFound:
		return found{none: true}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &wrong) && wrong.IsTimeout:
		return found{failure: "DNS does not answer in time"}
	case wrong != nil && !strings.Contains(wrong.Err, ":"):
		return found{failure: "DNS: " + wrong.Err}
	}
	return found{failure: "DNS cannot be asked"}
}

// ordered are the first few of the addresses, sorted.
func ordered(addresses []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, len(addresses))
	for i, one := range addresses {
		out[i] = one.Unmap()
	}
	slices.SortFunc(out, netip.Addr.Compare)
	out = slices.Compact(out)
	return out[:min(len(out), maxAddresses)]
}

// name is what is known of one name.
type name struct {
	tried bool
	// good are the addresses of each family that DNS said last.
	good [families][]netip.Addr
	// failing is since when there has been no good answer; zero where there is one.
	failing time.Time
	answer  Answer
}

// newName is a name with the addresses that it had.
func newName(known []netip.Addr) *name {
	n := &name{}
	for _, one := range known {
		family := 0
		if one.Is6() {
			family = 1
		}
		n.good[family] = append(n.good[family], one)
	}
	n.answer.Addresses = slices.Concat(n.good[0], n.good[1])
	return n
}

// note keeps what was found. A family that DNS says nothing of keeps its addresses,
// and so do both where DNS says that there are none at all: a name without any is a
// mistake more often than a gateway without any.
func (n *name) note(found [families]found, now time.Time, patience time.Duration) {
	n.tried = true
	some := len(found[0].addresses)+len(found[1].addresses) > 0
	failure := ""
	for i, one := range found {
		switch {
		case len(one.addresses) > 0 || one.none && some:
			n.good[i] = one.addresses
		case one.failure != "" && (!some || len(n.good[i]) > 0):
			// A server that is silent about a family which the name never had is no matter.
			failure = one.failure
		}
	}
	if !some && failure == "" {
		failure = "DNS knows no address of it"
	}
	n.answer = Answer{Addresses: slices.Concat(n.good[0], n.good[1])}
	if failure == "" {
		n.failing = time.Time{}
		return
	}
	if n.failing.IsZero() {
		n.failing = now
	}
	if len(n.answer.Addresses) == 0 || now.Sub(n.failing) >= patience {
		n.answer.Failure = failure
	}
}
