package dns

import "encoding/binary"

// appendNode answers from a name's records.
func (r *reply) appendNode(at *node, turn uint32) {
	switch kind := r.query.kind; {
	case kind == typeA:
		r.appendAddresses(&at.a, sizeA, turn)
	case kind == typeAAAA:
		r.appendAddresses(&at.aaaa, sizeAAAA, turn)
	case kind == typeSRV && at.srv != nil:
		r.appendServices(at.srv, turn)
	case kind == typeANY && !at.bare():
		r.appendAny()
	}
}

func (r *reply) appendAddresses(from *addresses, size int, turn uint32) {
	for _, places := range turned(len(from.wire)/size, from.near, turn) {
		fit := min(places[1]-places[0], (r.most-len(r.message))/size)
		r.message = append(r.message, from.wire[places[0]*size:(places[0]+fit)*size]...)
		r.answers += uint16(fit)
		if fit < places[1]-places[0] {
			r.cut()
			return
		}
	}
}

// cut marks the answer as incomplete. Over TCP there is nowhere else to ask, so that
// what is there has to do: a part of the endpoints is a whole answer (KEP-1645).
func (r *reply) cut() {
	if !r.tcp {
		r.flags |= flagTruncated
	}
}

// appendServices appends records of type SRV, then the addresses of their targets as
// far as there is room.
func (r *reply) appendServices(from *services, turn uint32) {
	begin, ranges := len(r.message), turned(len(from.targets), from.near, turn)
	for _, places := range ranges {
		for i := places[0]; i < places[1]; i++ {
			record := from.record(i)
			if len(r.message)+len(record) > r.most {
				r.cut()
				return
			}
			r.message = append(r.message, record...)
			r.answers++
		}
	}
	last := (*node)(nil)
	for _, places := range ranges {
		for i := places[0]; i < places[1]; i++ {
			if from.targets[i] != last && !r.add(from.targets[i], begin+sizeFixed+sizeSRV) {
				return
			}
			last = from.targets[i]
			begin += len(from.record(i))
		}
	}
}

// mostPointer is as far as a pointer reaches.
const mostPointer = 0x3fff

// add puts all addresses of a name into the additional section, or none where they
// do not fit: half of them would pass for all. The name stands in the message already.
func (r *reply) add(at *node, name int) bool {
	count := len(at.a.wire)/sizeA + len(at.aaaa.wire)/sizeAAAA
	if name > mostPointer || len(r.message)+len(at.a.wire)+len(at.aaaa.wire) > r.most {
		return false
	}
	r.addAll(at.a.wire, sizeA, name)
	r.addAll(at.aaaa.wire, sizeAAAA, name)
	r.additions += uint16(count)
	return true
}

// addAll appends records under another name than that of the question.
func (r *reply) addAll(wire []byte, size, name int) {
	for ; len(wire) > 0; wire = wire[size:] {
		r.message = binary.BigEndian.AppendUint16(r.message, 0xc000|uint16(name))
		r.message = append(r.message, wire[2:size]...)
	}
}
