package watch

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one of a message in protobuf.
type field struct {
	number protowire.Number
	kind   protowire.Type
	// bytes is nil where the field has none; value is that of a varint.
	bytes []byte
	value uint64
}

var errFieldType = errors.New("a field of another type than it should be")

// nextField is the first field of a message, and what follows it.
func nextField(content []byte) (one field, rest []byte, err error) {
	n := 0
	one.number, one.kind, n = protowire.ConsumeTag(content)
	if n < 0 {
		return field{}, nil, protowire.ParseError(n)
	}
	content = content[n:]
	switch one.kind {
	case protowire.BytesType:
		one.bytes, n = protowire.ConsumeBytes(content)
	case protowire.VarintType:
		one.value, n = protowire.ConsumeVarint(content)
	default:
		n = protowire.ConsumeFieldValue(one.number, one.kind, content)
	}
	if n < 0 {
		return field{}, nil, protowire.ParseError(n)
	}
	return one, content[n:], nil
}

// eachField calls do with every field of a message.
func eachField(content []byte, do func(field) error) error {
	for len(content) > 0 {
		one, rest, err := nextField(content)
		if err != nil {
			return err
		}
		content = rest
		if err := do(one); err != nil {
			return err
		}
	}
	return nil
}

// text is what the field says; an error where it is no text.
func (f field) text(into *string) error {
	if f.bytes == nil {
		return errFieldType
	}
	*into = string(f.bytes)
	return nil
}

// raw is the field's bytes; an error where it has none.
func (f field) raw(into *[]byte) error {
	if f.bytes == nil {
		return errFieldType
	}
	*into = f.bytes
	return nil
}

// varint is the field's number; an error where it is none.
func (f field) varint() (uint64, error) {
	if f.kind != protowire.VarintType {
		return 0, errFieldType
	}
	return f.value, nil
}

// within calls do with every field of the message that the field is.
func (f field) within(do func(field) error) error {
	if f.bytes == nil {
		return errFieldType
	}
	return eachField(f.bytes, do)
}
