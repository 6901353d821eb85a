package dns

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// Types of records that are known by name.
const (
	typeA     = 1
	typeNS    = 2
	typeSOA   = 6
	typePTR   = 12
	typeHINFO = 13
	typeTXT   = 16
	typeAAAA  = 28
	typeSRV   = 33
	typeOPT   = 41
	typeIXFR  = 251
	typeAXFR  = 252
	typeANY   = 255

	classIN = 1
)

// Times to live, in seconds. Endpoints come and go: what a cache holds for longer is
// wrong for longer.
const (
	ttl        = 5
	ttlVersion = 28800
)

// Sizes of records whose owner is a pointer.
const (
	sizeFixed = 12
	sizeA     = sizeFixed + 4
	sizeAAAA  = sizeFixed + 16
)

// toQuestion points to the name that was asked for, which stands right behind the
// header: so records are packed once for every spelling of their name.
const toQuestion = 0xc000 | headerSize

// appendFixed appends a record up to its data.
func appendFixed(dst []byte, owner, kind uint16, seconds uint32, length int) []byte {
	dst = binary.BigEndian.AppendUint16(dst, owner)
	dst = binary.BigEndian.AppendUint16(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, classIN)
	dst = binary.BigEndian.AppendUint32(dst, seconds)
	return binary.BigEndian.AppendUint16(dst, uint16(length))
}

// addresses are packed records of one name and one type, A or AAAA. The first near
// ones are those that can be called without a gateway.
type addresses struct {
	wire []byte
	near int
}

func (a *addresses) add(address netip.Addr, near bool) {
	kind, data := uint16(typeA), address.AsSlice()
	if !address.Is4() {
		kind = typeAAAA
	}
	a.wire = append(appendFixed(a.wire, toQuestion, kind, ttl, len(data)), data...)
	if near {
		a.near++
	}
}

// node is what a name has. One without any records is there because names below it
// are (RFC 8020).
type node struct {
	a, aaaa addresses
	srv     *services
}

// bare reports whether it has no records.
func (n *node) bare() bool { return len(n.a.wire)+len(n.aaaa.wire) == 0 && n.srv == nil }

// records is how many it has.
func (n *node) records() int {
	count := len(n.a.wire)/sizeA + len(n.aaaa.wire)/sizeAAAA
	if n.srv != nil {
		count += len(n.srv.targets)
	}
	return count
}

func (n *node) add(address netip.Addr, near bool) {
	if address.Is4() {
		n.a.add(address, near)
	} else {
		n.aaaa.add(address, near)
	}
}

// services are packed records of type SRV. Their targets are written out: they must
// not be compressed (RFC 2782).
type services struct {
	wire []byte
	// ends are where records end, targets whom they lead to; both by their place.
	ends    []uint32
	targets []*node
	near    int
}

// All targets are alike to us, so that clients share their calls evenly.
const (
	srvPriority = 0
	srvWeight   = 100
	// sizeSRV is that of the data in front of the target.
	sizeSRV = 6
)

// srvWeightOf is the weight of a record for an endpoint of a weight. What is too heavy
// for the 16 bits of RFC 2782 is as heavy as can be.
func srvWeightOf(weight uint32) uint16 {
	return uint16(min(uint64(weight)*srvWeight, math.MaxUint16))
}

func (s *services) add(port uint16, to target) {
	s.wire = appendFixed(s.wire, toQuestion, typeSRV, ttl, sizeSRV+len(to.name))
	s.wire = binary.BigEndian.AppendUint16(s.wire, srvPriority)
	s.wire = binary.BigEndian.AppendUint16(s.wire, to.weight)
	s.wire = binary.BigEndian.AppendUint16(s.wire, port)
	s.wire = append(s.wire, to.name...)
	s.ends = append(s.ends, uint32(len(s.wire)))
	s.targets = append(s.targets, to.at)
	if to.near {
		s.near++
	}
}

// leads reports whether a record leads to a port there already. The records of one
// target stand together.
func (s *services) leads(port uint16, at *node) bool {
	for i := len(s.targets) - 1; i >= 0 && s.targets[i] == at; i-- {
		if binary.BigEndian.Uint16(s.record(i)[sizeFixed+4:]) == port {
			return true
		}
	}
	return false
}

// record is the one at a place.
func (s *services) record(at int) []byte {
	begin := uint32(0)
	if at > 0 {
		begin = s.ends[at-1]
	}
	return s.wire[begin:s.ends[at]]
}

// turned are the places of count records in the order in which they are given, as
// ranges: the near ones come first, and each part begins at another one by turn.
func turned(count, near int, turn uint32) [4][2]int {
	first, second := begin(near, turn), near+begin(count-near, turn)
	return [4][2]int{{first, near}, {0, first}, {second, count}, {near, second}}
}

func begin(count int, turn uint32) int {
	if count == 0 {
		return 0
	}
	return int(turn % uint32(count))
}
