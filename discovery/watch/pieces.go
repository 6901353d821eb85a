package watch

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a member may send takes more room once it is decoded: two bytes of a list
// become an object of some hundred. So lists are decoded one object at a time, and
// an object in so many parts that no real one has them is not decoded at all.
const (
	// maxItems bounds the objects of a page; 500 are asked for.
	maxItems = 100_000
	// maxParts bounds the fields of an object, nested ones included. A slice of 1,000
	// endpoints has some 20,000.
	maxParts = 200_000
	// smallObject is what is too small, in bytes, to be worth counting.
	smallObject = 64 << 10
	// nesting is how deep fields are counted: endpoints, ports and owners are within.
	nesting = 3
)

// Fields of every list of Kubernetes in protobuf, and of its envelope.
const (
	listMeta, listItems = protowire.Number(1), protowire.Number(2)
)

// eachItem decodes the objects of a page one by one.
func eachItem[T any, P interface {
	*T
	metav1.Object
	Unmarshal([]byte) error
}](kind string,
) func(raw []byte, each func(metav1.Object)) (metav1.ListMeta, error) {
	return func(raw []byte, each func(metav1.Object)) (metav1.ListMeta, error) {
		var meta metav1.ListMeta
		content, err := enveloped(raw, kind)
		if err != nil {
			return meta, err
		}
		count, f := 0, fields{rest: content}
		for f.next() {
			switch f.number {
			case listMeta:
				f.end(meta.Unmarshal(f.content()))
			case listItems:
				if count++; count > maxItems {
					return meta, fmt.Errorf("%w: a page of more than %d objects", errTooLarge, maxItems)
				}
				item := P(new(T))
				if err := decodeBounded(f.content(), item); err != nil {
					return meta, err
				}
				each(item)
			}
		}
		if f.err != nil {
			return meta, fmt.Errorf("%w: %s: %w", errGarbled, kind, f.err)
		}
		return meta, nil
	}
}

// decodeBounded decodes an object that is within all bounds.
func decodeBounded(raw []byte, into interface{ Unmarshal([]byte) error }) error {
	if len(raw) > maxObject {
		return fmt.Errorf("%w: an object of %d bytes", errTooLarge, len(raw))
	}
	if len(raw) > smallObject {
		if parts, _ := countParts(raw, nesting); parts > maxParts {
			return fmt.Errorf("%w: an object in more than %d parts", errTooLarge, maxParts)
		}
	}
	if err := into.Unmarshal(raw); err != nil {
		return fmt.Errorf("%w: %w", errGarbled, err)
	}
	return nil
}

// countParts counts the fields of a message down to a depth; false where it is none.
// What is a text may look like a message, which makes the count larger, never smaller.
func countParts(content []byte, depth int) (count int, message bool) {
	f := fields{rest: content}
	for f.next() {
		count++
		if depth > 1 && len(f.bytes) > 0 {
			if within, is := countParts(f.bytes, depth-1); is {
				count += within
			}
		}
		if count > maxParts {
			return count, true
		}
	}
	return count, f.err == nil
}

// eachDocument decodes the objects of a page in JSON one by one.
func eachDocument(raw []byte, kind string, each func(raw json.RawMessage) error) (metav1.ListMeta, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	var meta metav1.ListMeta
	var named string
	if err := delim(decoder, '{'); err != nil {
		return meta, garbledJSON(kind, err)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err == nil {
			switch key {
			case "kind":
				err = decoder.Decode(&named)
			case "metadata":
				err = decoder.Decode(&meta)
			case "items":
				err = documentsOf(decoder, each)
			default:
				err = decoder.Decode(new(json.RawMessage))
			}
		}
		if err != nil {
			return meta, garbledJSON(kind, err)
		}
	}
	if named != kind {
		return meta, fmt.Errorf("%w: it is %.40q, not %s", errGarbled, named, kind)
	}
	return meta, garbledJSON(kind, delim(decoder, '}'))
}

func documentsOf(decoder *json.Decoder, each func(raw json.RawMessage) error) error {
	token, err := decoder.Token()
	switch {
	case err != nil:
		return err
	case token == nil: // an empty list of Go
		return nil
	case token != json.Delim('['):
		return fmt.Errorf("%w: %v in the place of a list", errGarbled, token)
	}
	for count := 1; decoder.More(); count++ {
		if count > maxItems {
			return fmt.Errorf("%w: a page of more than %d objects", errTooLarge, maxItems)
		}
		var one json.RawMessage
		if err := decoder.Decode(&one); err != nil {
			return err
		}
		if err := each(one); err != nil {
			return err
		}
	}
	return delim(decoder, ']')
}

// delim reads a bracket.
func delim(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%w: %v in the place of %v", errGarbled, token, want)
	}
	return nil
}

// boundedJSON refuses an object that is out of bounds.
func boundedJSON(raw []byte) error {
	if len(raw) > maxObject {
		return fmt.Errorf("%w: an object of %d bytes", errTooLarge, len(raw))
	}
	if len(raw) > smallObject && bytes.Count(raw, []byte(":"))+bytes.Count(raw, []byte("{")) > maxParts {
		return fmt.Errorf("%w: an object in more than %d parts", errTooLarge, maxParts)
	}
	return nil
}
