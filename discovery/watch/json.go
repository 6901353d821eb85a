package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var jsonWire = wire{
	events: func(from io.Reader) events {
		limited := &io.LimitedReader{R: from}
		return &documents{limited: limited, decoder: json.NewDecoder(limited)}
	},
	status: func(raw []byte, into *metav1.Status) error { return decodeJSON(raw, "Status", into) },
}

// documents are events in JSON, one after the other.
type documents struct {
	limited *io.LimitedReader
	decoder *json.Decoder
}

func (d *documents) next(event *metav1.WatchEvent) error {
	d.limited.N = maxObject
	event.Reset()
	var document struct {
		Type   string          `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	err := d.decoder.Decode(&document)
	switch {
	case err == nil:
		event.Type, event.Object.Raw = document.Type, document.Object
		return nil
	case d.limited.N == 0:
		return fmt.Errorf("%w: an object of more than %d bytes", errTooLarge, maxObject)
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return garbledJSON("event", err)
}

// garbledJSON says that a text is no JSON of what was expected. A reader's own
// error, such as that nothing comes any more, stays what it is.
func garbledJSON(what string, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %s: %w", errGarbled, what, err)
	}
	return err
}

// decodeJSON decodes an object, which must be of the kind.
func decodeJSON(raw []byte, kind string, into any) error {
	var named metav1.TypeMeta
	if err := json.Unmarshal(raw, &named); err != nil {
		return garbledJSON(kind, err)
	}
	if named.Kind != kind {
		return fmt.Errorf("%w: it is %.40q, not %s", errGarbled, named.Kind, kind)
	}
	if err := boundedJSON(raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return garbledJSON(kind, err)
	}
	return nil
}
