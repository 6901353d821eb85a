package dns

import "encoding/binary"

const headerSize = 12

// Bits of the header's second word.
const (
	flagResponse      = 1 << 15
	flagAuthoritative = 1 << 10
	flagTruncated     = 1 << 9
	flagRecursion     = 1 << 8 // wished for; we have none
	flagUnchecked     = 1 << 4
	maskOpcode        = 0xf << 11
	// flagsCopied are those that an answer has from its query.
	flagsCopied = maskOpcode | flagRecursion | flagUnchecked
)

// code is what became of a query.
type code uint16

// The codes of RFC 1035 and RFC 6891 that we use.
const (
	codeOK         code = 0
	codeFormat     code = 1
	codeFailure    code = 2
	codeNoName     code = 3
	codeNoOpcode   code = 4
	codeRefused    code = 5
	codeBadVersion code = 16
	// codeSilence is none of theirs: nothing is answered.
	codeSilence code = 0xffff
)

// mostOptions is how long the options of EDNS may be, in bytes. Those in use (cookies,
// subnets, padding) stay far below.
const mostOptions = 1024

// query is a question as it came in.
type query struct {
	// name is in lower case; the first count starts are those of its labels, without
	// the root's.
	name   [mostName]byte
	length int
	starts [mostName / 2]uint8
	count  int
	kind   uint16
	class  uint16
	// end is where the question ends in the message.
	end int
	// edns is true where the message has OPT; what follows is from there.
	edns    bool
	secure  bool
	version uint8
	size    uint16
}

// read takes a message apart. It allocates nothing and follows no pointer: a
// question that has one, with nothing in front of it to point to, is no question.
func (q *query) read(message []byte) code {
	if len(message) < headerSize {
		return codeSilence
	}
	flags := binary.BigEndian.Uint16(message[2:])
	switch {
	case flags&flagResponse != 0:
		return codeSilence // or two servers would talk to each other for ever
	case flags&maskOpcode != 0:
		return codeNoOpcode
	case binary.BigEndian.Uint16(message[4:]) != 1 || !q.readQuestion(message):
		return codeFormat
	case q.kind == typeAXFR || q.kind == typeIXFR:
		return codeRefused // whatever follows, such as the version that the asker has
	case binary.BigEndian.Uint32(message[6:]) != 0 || !q.readEDNS(message[q.end:], binary.BigEndian.Uint16(message[10:])):
		return codeFormat
	case q.version != 0:
		return codeBadVersion
	}
	return codeOK
}

func (q *query) readQuestion(message []byte) bool {
	q.length, q.count = 0, 0
	at := headerSize
	for {
		if at >= len(message) {
			return false
		}
		length := int(message[at])
		if length > mostLabel || at+1+length > len(message) || q.length+1+length > mostName {
			return false
		}
		if length > 0 {
			q.starts[q.count] = uint8(q.length)
			q.count++
		}
		for _, c := range message[at : at+1+length] {
			if 'A' <= c && c <= 'Z' { // no length of a label is
				c += 'a' - 'A'
			}
			q.name[q.length] = c
			q.length++
		}
		at += 1 + length
		if length == 0 {
			break
		}
	}
	if at+4 > len(message) {
		return false
	}
	q.kind, q.class = binary.BigEndian.Uint16(message[at:]), binary.BigEndian.Uint16(message[at+2:])
	q.end = at + 4
	return true
}

// readEDNS reads what is behind the question: OPT or nothing. Signed queries are
// none of ours, and no server that knows no signatures takes them (RFC 8945).
func (q *query) readEDNS(rest []byte, records uint16) bool {
	const fixed = 11
	q.edns, q.secure, q.version, q.size = false, false, 0, 0
	if records == 0 {
		return len(rest) == 0
	}
	if records > 1 || len(rest) < fixed || rest[0] != 0 || binary.BigEndian.Uint16(rest[1:]) != typeOPT {
		return false
	}
	q.edns, q.size, q.version, q.secure = true, binary.BigEndian.Uint16(rest[3:]), rest[6], rest[7]&0x80 != 0
	length := int(binary.BigEndian.Uint16(rest[9:]))
	return length <= mostOptions && len(rest) == fixed+length && wellFormed(rest[fixed:])
}

// wellFormed reports whether options fill their room. What they say is ignored.
func wellFormed(options []byte) bool {
	for len(options) > 0 {
		if len(options) < 4 {
			return false
		}
		length := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if length > len(options) {
			return false
		}
		options = options[length:]
	}
	return true
}

// labels are those from one place up to another, in wire form.
func (q *query) labels(from, to int) []byte {
	return q.name[q.starts[from]:q.starts[to]]
}

// inZone reports whether the name is clusterset.local or below it.
func (q *query) inZone() bool {
	return q.count >= zoneLabels && string(q.name[q.starts[q.count-zoneLabels]:q.length]) == zoneName
}
