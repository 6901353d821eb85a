package watch

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// fields goes through the fields of a message in protobuf:
//
//	f := fields{rest: message}
//	for f.next() {
//		switch f.number { ... }
//	}
//	return f.err
type fields struct {
	number protowire.Number
	kind   protowire.Type
	// bytes is nil where the field has none; value is that of a varint.
	bytes []byte
	value uint64

	// rest is what follows, err why nothing does though the message has no end there.
	rest []byte
	err  error
}

var errFieldType = errors.New("a field of another type than it should be")

// next is false where there is no more field, and where something is wrong.
func (f *fields) next() bool {
	if f.err != nil || len(f.rest) == 0 {
		return false
	}
	if f.short() {
		return true
	}
	n := 0
	if f.number, f.kind, n = protowire.ConsumeTag(f.rest); n < 0 {
		return f.fail(protowire.ParseError(n))
	}
	f.rest, f.bytes, f.value = f.rest[n:], nil, 0
	switch f.kind {
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(f.rest)
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(f.rest)
	default:
		n = protowire.ConsumeFieldValue(f.number, f.kind, f.rest)
	}
	if n < 0 {
		return f.fail(protowire.ParseError(n))
	}
	f.rest = f.rest[n:]
	return true
}

// short is next for a field of which number and length, or number and value, are a byte
// each, as almost all are; false where the next one is not.
func (f *fields) short() bool {
	const more = 0x80 // this bit says that a number goes on with the next byte
	if len(f.rest) < 2 || f.rest[0] >= more || f.rest[0] < 1<<3 || f.rest[1] >= more {
		return false
	}
	number, kind, value, rest := f.rest[0]>>3, protowire.Type(f.rest[0]&7), int(f.rest[1]), f.rest[2:]
	switch {
	case kind == protowire.VarintType:
		f.bytes, f.value, f.rest = nil, uint64(value), rest
	case kind == protowire.BytesType && value <= len(rest):
		f.bytes, f.value, f.rest = rest[:value:value], 0, rest[value:]
	default:
		return false
	}
	f.number, f.kind = protowire.Number(number), kind
	return true
}

func (f *fields) fail(err error) bool {
	f.err = err
	return false
}

// content is the field's bytes; of one that has none there are none, and the fields end
// with an error.
func (f *fields) content() []byte {
	if f.bytes == nil {
		f.err = errFieldType
	}
	return f.bytes
}

// text is what the field says, as content.
func (f *fields) text() string { return string(f.content()) }

// varint is the field's number; of one that is none it is 0, and the fields end with an
// error.
func (f *fields) varint() uint64 {
	if f.kind != protowire.VarintType {
		f.err = errFieldType
	}
	return f.value
}

// end is what is wrong with the fields of the field, if anything is.
func (f *fields) end(within error) {
	if f.err == nil {
		f.err = within
	}
}
