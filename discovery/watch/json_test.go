package watch

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDocuments(t *testing.T) {
	t.Parallel()
	stalled := errors.New("stalled")
	const added = `{"type":"ADDED","object":{"kind":"ServiceExport"}}`
	for name, tc := range map[string]struct {
		text string
		good int
		end  error
	}{
		"two, and a proper end":             {added + "\n" + added + "\n", 2, io.EOF},
		"without a break between them":      {added + added, 2, io.EOF},
		"nothing at all":                    {"", 0, io.EOF},
		"cut in the middle":                 {added + added[:20], 1, errGarbled},
		"no JSON":                           {"k8s\x00", 0, errGarbled},
		"JSON of something else":            {`["ADDED"]`, 0, errGarbled},
		"an object over the limit":          {`{"type":"ADDED","object":"` + strings.Repeat("x", maxObject) + `"}`, 0, errTooLarge},
		"nothing but blanks without an end": {strings.Repeat(" ", 2*maxObject), 0, errTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := jsonWire.events(strings.NewReader(tc.text))
			var event metav1.WatchEvent
			for range tc.good {
				if err := from.next(&event); err != nil || event.Type != "ADDED" || string(event.Object.Raw) != `{"kind":"ServiceExport"}` {
					t.Fatalf("got %q %s, %v", event.Type, event.Object.Raw, err)
				}
			}
			if err := from.next(&event); !errors.Is(err, tc.end) {
				t.Errorf("got %v, want %v", err, tc.end)
			}
		})
	}
	t.Run("what breaks the connection is no garbage", func(t *testing.T) {
		t.Parallel()
		from := jsonWire.events(io.MultiReader(strings.NewReader(added[:20]), iotest.ErrReader(stalled)))
		if err := from.next(&metav1.WatchEvent{}); !errors.Is(err, stalled) || errors.Is(err, errGarbled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAWatchInJSONSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	var status metav1.Status
	if err := jsonWire.status([]byte(`{"kind":"Status","code":410,"message":"too old"}`), &status); err != nil || status.Code != 410 {
		t.Errorf("got %+v, %v", status, err)
	}
	if err := jsonWire.status([]byte(`{"kind":"Pod"}`), &status); !errors.Is(err, errGarbled) {
		t.Errorf("another kind is %v", err)
	}
}
