package model

import (
	"bytes"
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
)

// Endpoints are those of a slice, in order. There may be a million of them, so that each
// takes the bytes of its address and three more. The zero value has none. Append builds
// them; once others can see them they are not changed any more.
type Endpoints struct {
	// packed has for each endpoint its address, where in zones its zone is, and its
	// health.
	packed []byte
	// wide is true where addresses are those of IPv6; an IPv4 address is mapped into one.
	wide  bool
	zones []Zone
}

// Bytes of a packed endpoint.
const (
	narrowBytes, wideBytes = 4, 16
	zoneBytes, healthBytes = 2, 1
	behindAddress          = zoneBytes + healthBytes
)

// mostZones is how many a slice is known to have: it has at most 1,000 endpoints, as API
// servers see to it.
const mostZones = 1024

// EndpointsOf are these.
func EndpointsOf(all ...Endpoint) Endpoints {
	var out Endpoints
	for _, one := range all {
		out.Append(one)
	}
	return out
}

// Grow makes room for as many more with addresses of a family.
func (e *Endpoints) Grow(count int, family Family) {
	if e.Len() == 0 {
		e.wide = family == IPv6
	}
	e.packed = slices.Grow(e.packed, count*e.stride())
}

// Append adds one. An address that is none becomes ::, which nobody dials, and what is
// IPv4 mapped to IPv6 is IPv4; zones beyond the first 1,024 of a slice are none.
func (e *Endpoints) Append(one Endpoint) {
	address := one.Addr.Unmap()
	if !address.IsValid() {
		address = netip.IPv6Unspecified()
	}
	if e.Len() == 0 {
		e.wide = !address.Is4()
	}
	if e.wide || address.Is4() {
		e.add(address, one.Zone, one.Health)
		return
	}
	wide := Endpoints{wide: true}
	wide.Grow(e.Len()+1, IPv6)
	for _, before := range e.All() {
		wide.add(before.Addr, before.Zone, before.Health)
	}
	wide.add(address, one.Zone, one.Health)
	*e = wide
}

func (e *Endpoints) add(address netip.Addr, zone Zone, health Health) {
	if e.wide {
		sixteen := address.As16()
		e.packed = append(e.packed, sixteen[:]...)
	} else {
		four := address.As4()
		e.packed = append(e.packed, four[:]...)
	}
	e.packed = append(binary.LittleEndian.AppendUint16(e.packed, e.place(zone)), byte(health))
}

// place is where a zone is, from 1; 0 is none.
func (e *Endpoints) place(zone Zone) uint16 {
	if zone == (Zone{}) || zone == NoZone {
		return 0
	}
	if at := slices.Index(e.zones, zone); at >= 0 {
		return uint16(at + 1)
	}
	if len(e.zones) == mostZones {
		return 0
	}
	e.zones = append(e.zones, zone)
	return uint16(len(e.zones))
}

func (e *Endpoints) stride() int {
	if e.wide {
		return wideBytes + behindAddress
	}
	return narrowBytes + behindAddress
}

// Len is how many there are.
func (e *Endpoints) Len() int { return len(e.packed) / e.stride() }

// Bytes is how much memory they take, without what all zones share.
func (e *Endpoints) Bytes() int { return len(e.packed) }

// Health is that of the endpoint at a place.
func (e *Endpoints) Health(at int) Health { return Health(e.packed[(at+1)*e.stride()-healthBytes]) }

// At is the endpoint at a place.
func (e *Endpoints) At(at int) Endpoint {
	stride := e.stride()
	one := e.packed[at*stride : (at+1)*stride]
	out := Endpoint{Zone: NoZone, Health: Health(one[stride-healthBytes])}
	if e.wide {
		out.Addr = netip.AddrFrom16([wideBytes]byte(one)).Unmap()
	} else {
		out.Addr = netip.AddrFrom4([narrowBytes]byte(one))
	}
	if place := binary.LittleEndian.Uint16(one[stride-behindAddress:]); place > 0 {
		out.Zone = e.zones[place-1]
	}
	return out
}

// All yields each with its place.
func (e *Endpoints) All() iter.Seq2[int, Endpoint] {
	return func(yield func(int, Endpoint) bool) {
		for at := range e.Len() {
			if !yield(at, e.At(at)) {
				return
			}
		}
	}
}

// First are the first ones, and share their bytes.
func (e *Endpoints) First(count int) Endpoints {
	end := count * e.stride()
	return Endpoints{packed: e.packed[:end:end], wide: e.wide, zones: e.zones}
}

// Equal compares them in their order.
func (e Endpoints) Equal(other Endpoints) bool {
	if e.wide == other.wide && slices.Equal(e.zones, other.zones) {
		return bytes.Equal(e.packed, other.packed)
	}
	if e.Len() != other.Len() {
		return false
	}
	for at, one := range e.All() {
		if one != other.At(at) {
			return false
		}
	}
	return true
}
