package translate

import (
	"cmp"
	"math"
	"net/netip"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/eds"
)

// share is what one member contributes to the endpoints of a cluster. The pods are read
// only where they were not before: most changes are of one member.
type share struct {
	contribution
	port model.Port
	// gateways stand for the pods; none: these are reached directly.
	gateways []netip.AddrPort
	read     []pod
	// last is where it was before; nil where it was not, or was another one.
	last *part
}

// contribution is what the bytes of a share depend on, beside what all clusters of a
// service have in common.
type contribution struct {
	member *model.Member
	slices []*model.Slice
	// pods is how many of them serve.
	pods           int
	priority, each uint32
}

// part is a contribution and where its bytes are in the assignment.
type part struct {
	contribution
	start, end int
}

// assigned is an assignment and whose parts it has; it has none where nothing can be
// taken over from it.
type assigned struct {
	*eds.Assignment
	parts []part
}

func shareOf(member *model.Member, backend *model.Backend, port model.Port, priority, each uint32) share {
	one := share{contribution: contribution{member: member, priority: priority, each: each}, port: port}
	if slices.Contains(backend.Ports, port.Name) {
		one.slices = backend.Slices
	}
	return one
}

// assign makes the assignment of a cluster from the shares of its members, and
// takes over from the last one what is the same.
func assign(name string, shares []share, exempt bool, last assigned) assigned {
	for i := range shares {
		shares[i].count(last)
	}
	shares = slices.DeleteFunc(shares, func(s share) bool { return s.pods == 0 })
	closeGaps(shares)
	slices.SortFunc(shares, func(a, b share) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.member.Name, b.member.Name))
	})
	if slices.ContainsFunc(shares, share.heavy) {
		return assigned{Assignment: fitted(name, shares, exempt)}
	}
	room := 0
	if last.Assignment != nil {
		const more = 40 // about an endpoint
		room = len(last.Wire) + more
	}
	e, parts := eds.NewEncoder(name, room), make([]part, len(shares))
	for i := range shares {
		one := &shares[i]
		parts[i] = part{contribution: one.contribution, start: e.Len()}
		if one.last != nil && one.last.priority == one.priority {
			e.Copy(last.Wire[one.last.start:one.last.end])
		} else {
			one.encode(e, one.groups(), exempt)
		}
		parts[i].end = e.Len()
	}
	return assigned{e.Assignment(), parts}
}

// count says how many pods there are: as many as before where they are the same ones.
func (s *share) count(last assigned) {
	at := slices.IndexFunc(last.parts, func(p part) bool { return p.member == s.member })
	if at >= 0 && last.parts[at].each == s.each && slices.Equal(last.parts[at].slices, s.slices) {
		s.last, s.pods = &last.parts[at], last.parts[at].pods
		return
	}
	s.read = podsOf(s.slices, s.port)
	s.pods = len(s.read)
}

// groups are the endpoints by their place, in order.
func (s *share) groups() []group {
	if len(s.gateways) > 0 {
		return []group{gatewayGroup(s.member, s.gateways, s.pods, s.each)}
	}
	if s.read == nil {
		s.read = podsOf(s.slices, s.port)
	}
	return podGroups(s.member, s.read, s.each)
}

func (s *share) encode(e *eds.Encoder, groups []group, exempt bool) {
	for i := range groups {
		place := groups[i].locality(s.member.Name, s.priority, exempt)
		e.Add(&place)
	}
}

// closeGaps makes priorities start at 0 and leave none out, as Envoy demands.
func closeGaps(shares []share) {
	used := make([]uint32, len(shares))
	for i := range shares {
		used[i] = shares[i].priority
	}
	slices.Sort(used)
	used = slices.Compact(used)
	for i := range shares {
		at, _ := slices.BinarySearch(used, shares[i].priority)
		shares[i].priority = uint32(at)
	}
}

// heavy reports whether the weights of a share may add up to more than Envoy takes.
func (s share) heavy() bool {
	return uint64(s.each)*uint64(max(s.pods, len(s.gateways))) > math.MaxUint32
}

// fitted has all weights scaled down where those of one locality add up to more than
// Envoy takes, 32 bits, by the same factor.
func fitted(name string, shares []share, exempt bool) *eds.Assignment {
	groups := make([][]group, len(shares))
	for i := range shares {
		groups[i] = shares[i].groups()
	}
	fit(groups)
	e := eds.NewEncoder(name, 0)
	for i := range shares {
		shares[i].encode(e, groups[i], exempt)
	}
	return e.Assignment()
}

// fit scales weights. None becomes 0, which no endpoint can have.
func fit(all [][]group) {
	var most uint64
	for _, groups := range all {
		for i := range groups {
			total := uint64(groups[i].each) * uint64(len(groups[i].pods))
			for _, weight := range groups[i].weights {
				total += uint64(weight)
			}
			most = max(most, total)
		}
	}
	if most <= math.MaxUint32 {
		return
	}
	factor := most/math.MaxUint32 + 1
	scaled := func(weight uint32) uint32 { return uint32(max(uint64(weight)/factor, 1)) }
	for _, groups := range all {
		for i := range groups {
			groups[i].each = scaled(groups[i].each)
			for j, weight := range groups[i].weights {
				groups[i].weights[j] = scaled(weight)
			}
		}
	}
}
