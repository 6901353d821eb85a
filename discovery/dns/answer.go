package dns

import "encoding/binary"

// Bounds of answers, in bytes. What is larger than mostDatagram would be cut into
// fragments on some networks, which get lost and can be forged.
const (
	leastDatagram = 512
	mostDatagram  = 1232
	mostMessage   = 65535
	sizeOPT       = 11
)

// reply is an answer under way.
type reply struct {
	query   *query
	message []byte
	// most is how long the message may become, without OPT.
	most  int
	tcp   bool
	flags uint16
	// answers, authorities and additions count records.
	answers, authorities, additions uint16
}

// answer appends the answer to a message to dst, which must be empty. It is pure but
// for the query, which it overwrites. Nothing is appended where there is to be
// silence. A zone that is nil is not known yet. most bounds the answer where EDNS
// says nothing of it; turn says which of several records come first.
func answer(dst, message []byte, q *query, zone *Zone, tcp bool, turn uint32) ([]byte, code) {
	result := q.read(message)
	r := reply{query: q, message: dst, tcp: tcp}
	switch result {
	case codeSilence:
		return dst, result
	case codeFormat, codeNoOpcode:
		return r.header(message, result), result
	}
	r.most = room(q, tcp)
	r.message = append(r.message, message[:q.end]...)
	if result == codeOK {
		result = r.fill(zone, turn)
	}
	return r.finish(message, result), result
}

// room is how long an answer may be, without OPT.
func room(q *query, tcp bool) int {
	most := leastDatagram
	switch {
	case tcp:
		most = mostMessage
	case q.edns:
		most = min(max(int(q.size), leastDatagram), mostDatagram)
	}
	if q.edns {
		most -= sizeOPT
	}
	return most
}

// header answers with nothing else, as where the question is not understood.
func (r *reply) header(message []byte, result code) []byte {
	r.message = append(r.message, message[:headerSize]...)
	r.setHeader(message, result, 0)
	return r.message
}

func (r *reply) setHeader(message []byte, result code, questions uint16) {
	flags := flagResponse | binary.BigEndian.Uint16(message[2:])&flagsCopied | r.flags | uint16(result)&0xf
	binary.BigEndian.PutUint16(r.message[2:], flags)
	binary.BigEndian.PutUint16(r.message[4:], questions)
	binary.BigEndian.PutUint16(r.message[6:], r.answers)
	binary.BigEndian.PutUint16(r.message[8:], r.authorities)
	binary.BigEndian.PutUint16(r.message[10:], r.additions)
}

// finish puts OPT behind the rest and the counts into the header.
func (r *reply) finish(message []byte, result code) []byte {
	if r.query.edns {
		extended := uint32(result>>4) << 24
		if r.query.secure {
			extended |= 0x8000
		}
		r.message = append(r.message, 0)
		r.message = binary.BigEndian.AppendUint16(r.message, typeOPT)
		r.message = binary.BigEndian.AppendUint16(r.message, mostDatagram)
		r.message = binary.BigEndian.AppendUint32(r.message, extended)
		r.message = binary.BigEndian.AppendUint16(r.message, 0)
		r.additions++
	}
	r.setHeader(message, result, 1)
	return r.message
}

// fill answers a question that was understood.
func (r *reply) fill(zone *Zone, turn uint32) code {
	switch {
	case r.query.class != classIN || !r.query.inZone():
		return codeRefused
	case zone == nil:
		return codeFailure
	}
	at, found := zone.find(r.query)
	if found == unknown {
		return codeFailure
	}
	r.flags |= flagAuthoritative
	switch found {
	case absent:
		r.appendSOA()
		return codeNoName
	case apex:
		r.appendApex(&zone.server)
	case version:
		r.appendVersion()
	default:
		r.appendNode(at, turn)
	}
	if r.answers == 0 && r.flags&flagTruncated == 0 {
		r.appendSOA()
	}
	return codeOK
}
