package eds

import (
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of the messages, by the names they have there.
// Source: envoy/config/endpoint/v3/endpoint.proto, endpoint_components.proto,
// envoy/config/core/v3/address.proto, base.proto, google/protobuf/struct.proto.
const (
	assignmentClusterName = 1
	assignmentEndpoints   = 2

	localityEndpointsLocality  = 1
	localityEndpointsEndpoints = 2
	localityEndpointsPriority  = 5

	localityRegion  = 1
	localityZone    = 2
	localitySubZone = 3

	hostEndpoint = 1
	hostMetadata = 3
	hostWeight   = 4

	endpointAddress     = 1
	endpointHealthCheck = 2

	healthCheckDisabled = 4

	addressSocket = 1
	socketAddress = 2
	socketPort    = 3

	metadataFilters = 1
	mapKey          = 1
	mapValue        = 2
	structFields    = 1
	valueString     = 3
	wrapperValue    = 1
)

// usual is about as many bytes as a host has, with what is around it.
const usual = 40

// Encoder writes one assignment, locality after locality.
type Encoder struct {
	name string
	wire []byte
	// What is nested has its length in front, so that it is made in room of its own.
	hosts, host, metadata []byte
}

// NewEncoder begins an assignment that will have about so many bytes.
func NewEncoder(name string, room int) *Encoder {
	return &Encoder{name: name, wire: appendString(make([]byte, 0, room), assignmentClusterName, name)}
}

// Add writes a locality, unless it has no hosts.
func (e *Encoder) Add(of *Locality) {
	if len(of.Hosts) > 0 {
		e.wire = appendBytes(e.wire, assignmentEndpoints, e.locality(of))
	}
}

// Copy writes localities as they are in another assignment.
func (e *Encoder) Copy(localities []byte) { e.wire = append(e.wire, localities...) }

// Len is how many bytes there are: localities that are written next begin there.
func (e *Encoder) Len() int { return len(e.wire) }

// Assignment ends it.
func (e *Encoder) Assignment() *Assignment {
	const slack = 64 // less than what a copy without it would save
	if cap(e.wire)-len(e.wire) > slack {
		e.wire = slices.Clip(slices.Clone(e.wire))
	}
	return &Assignment{Name: e.name, Wire: e.wire}
}

// Encode writes an assignment. Localities without hosts are left out.
func Encode(name string, localities []Locality) *Assignment {
	count := 0
	for i := range localities {
		count += len(localities[i].Hosts)
	}
	e := NewEncoder(name, len(name)+usual*count)
	for i := range localities {
		e.Add(&localities[i])
	}
	return e.Assignment()
}

// locality is valid until the next call.
func (e *Encoder) locality(of *Locality) []byte {
	place := appendString(nil, localityRegion, of.Region)
	place = appendString(place, localityZone, of.Zone)
	place = appendString(place, localitySubZone, of.SubZone)
	e.hosts = appendBytes(slices.Grow(e.hosts[:0], usual*len(of.Hosts)), localityEndpointsLocality, place)
	e.metadata = appendMetadata(e.metadata[:0], of.Gateway)
	for i, address := range of.Hosts {
		weight := of.Weight
		if of.Weights != nil {
			weight = of.Weights[i]
		}
		e.hosts = appendBytes(e.hosts, localityEndpointsEndpoints, e.appendHost(address, weight, of.Unchecked))
	}
	if of.Priority > 0 {
		e.hosts = appendVarint(e.hosts, localityEndpointsPriority, uint64(of.Priority))
	}
	return e.hosts
}

// appendHost is valid until the next call.
func (e *Encoder) appendHost(address netip.AddrPort, weight uint32, unchecked bool) []byte {
	// An address is short: lengths up to 127 are one byte, so that room for them can be
	// left and filled in. The longest is of IPv6: 39 letters, and ten bytes around them.
	var room [64]byte
	endpoint := append(room[:0], addressSocket<<3|byte(protowire.BytesType), 0, socketAddress<<3|byte(protowire.BytesType), 0)
	endpoint = address.Addr().AppendTo(endpoint)
	endpoint[3] = byte(len(endpoint) - 4)
	if port := address.Port(); port > 0 {
		endpoint = appendVarint(endpoint, socketPort, uint64(port))
	}
	endpoint[1] = byte(len(endpoint) - 2)

	out := append(e.host[:0], e.metadata...)
	if weight > 0 {
		var value [8]byte
		out = appendBytes(out, hostWeight, appendVarint(value[:0], wrapperValue, uint64(weight)))
	}
	// The library writes what is one of several choices behind everything else.
	size := 2 + len(endpoint)
	if unchecked {
		size += 4
	}
	out = append(out, hostEndpoint<<3|byte(protowire.BytesType), byte(size), endpointAddress<<3|byte(protowire.BytesType), byte(len(endpoint)))
	out = append(out, endpoint...)
	if unchecked {
		out = append(out, endpointHealthCheck<<3|byte(protowire.BytesType), 2, healthCheckDisabled<<3|byte(protowire.VarintType), 1)
	}
	e.host = out
	return out
}

// appendMetadata is the field of a host that says by which name its transport socket is
// picked.
func appendMetadata(to []byte, gateway string) []byte {
	if gateway == "" {
		return to
	}
	value := appendString(nil, valueString, gateway)
	field := appendBytes(appendString(nil, mapKey, "gateway"), mapValue, value)
	filter := appendBytes(appendString(nil, mapKey, "envoy.transport_socket_match"), mapValue, appendBytes(nil, structFields, field))
	return appendBytes(to, hostMetadata, appendBytes(nil, metadataFilters, filter))
}

// appendString leaves out what is no UTF-8: a reader would refuse the whole message.
func appendString(to []byte, field protowire.Number, text string) []byte {
	if text = strings.ToValidUTF8(text, ""); text == "" {
		return to
	}
	return protowire.AppendString(protowire.AppendTag(to, field, protowire.BytesType), text)
}

func appendBytes(to []byte, field protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, field, protowire.BytesType), content)
}

func appendVarint(to []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, field, protowire.VarintType), value)
}
