package dns

import "encoding/binary"

// zonePointer points to the zone's name in the question.
func (r *reply) zonePointer() uint16 {
	return toQuestion + uint16(r.query.starts[r.query.count-zoneLabels])
}

// Times of SOA. The last one is how long it is remembered that something is not.
// There are no transfers, so that the serial number says nothing.
var soaTimes = [...]uint32{1, 7200, 1800, 86400, ttl}

// appendSOA says for how long a negative answer holds (RFC 2308).
func (r *reply) appendSOA() {
	r.message = r.soa(r.message)
	r.authorities++
}

func (r *reply) soa(dst []byte) []byte {
	const length = len(labelServer+labelDNS+labelHostmaster) + 2*2 + 4*len(soaTimes)
	dst = appendFixed(dst, r.zonePointer(), typeSOA, ttl, length)
	dst = append(dst, labelServer+labelDNS...)
	dst = binary.BigEndian.AppendUint16(dst, r.zonePointer())
	dst = append(dst, labelHostmaster...)
	dst = binary.BigEndian.AppendUint16(dst, r.zonePointer())
	for _, one := range soaTimes {
		dst = binary.BigEndian.AppendUint32(dst, one)
	}
	return dst
}

// appendApex answers for the zone's own name.
func (r *reply) appendApex(server *node) {
	switch r.query.kind {
	case typeSOA:
		r.message = r.soa(r.message)
		r.answers++
	case typeNS:
		r.message = appendFixed(r.message, toQuestion, typeNS, ttl, len(labelServer+labelDNS)+2)
		name := len(r.message)
		r.message = append(r.message, labelServer+labelDNS...)
		r.message = binary.BigEndian.AppendUint16(r.message, r.zonePointer())
		r.answers++
		r.add(server, name)
	case typeANY:
		r.appendAny()
	}
}

func (r *reply) appendVersion() {
	const text = "\x051.0.0"
	switch r.query.kind {
	case typeTXT:
		r.message = append(appendFixed(r.message, toQuestion, typeTXT, ttlVersion, len(text)), text...)
		r.answers++
	case typeANY:
		r.appendAny()
	}
}

// appendAny answers a question for everything with as little as there is (RFC 8482).
func (r *reply) appendAny() {
	const data = "\x07RFC8482\x00"
	r.message = append(appendFixed(r.message, toQuestion, typeHINFO, ttl, len(data)), data...)
	r.answers++
}
