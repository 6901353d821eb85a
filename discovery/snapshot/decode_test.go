package snapshot

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]*Content{
		"nobody":      {},
		"a few":       mesh(5),
		"a large one": mesh(3_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := decode(encode(content))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(content, got, equal); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestEqualContentGivesEqualBytes(t *testing.T) {
	t.Parallel()
	for range 20 {
		if !bytes.Equal(encode(mesh(50)), encode(mesh(50))) {
			t.Fatal("two encodings differ")
		}
	}
}

// TestNothingButAWholePayloadIsRead cuts one at every length.
func TestNothingButAWholePayloadIsRead(t *testing.T) {
	t.Parallel()
	whole := encode(mesh(10))
	for size := range whole {
		if _, err := decode(whole[:size]); !errors.Is(err, errPayload) {
			t.Fatalf("%d of %d bytes: %v", size, len(whole), err)
		}
	}
	if _, err := decode(append(bytes.Clone(whole), 0)); !errors.Is(err, errPayload) {
		t.Errorf("a byte too many: %v", err)
	}
}

// FuzzDecode reads what nobody wrote: no panic, and what is read can be written
// and read again.
func FuzzDecode(f *testing.F) {
	f.Add(encode(&Content{}))
	f.Add(encode(mesh(3)))
	f.Add([]byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, payload []byte) {
		content, err := decode(payload)
		if err != nil {
			return
		}
		again, err := decode(encode(content))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(content, again, equal); diff != "" {
			t.Errorf("(-first +second)\n%s", diff)
		}
	})
}

// FuzzUnpack reads files.
func FuzzUnpack(f *testing.F) {
	f.Add(pack(encode(mesh(1))))
	f.Add([]byte(magic))
	f.Fuzz(func(_ *testing.T, content []byte) { _, _ = unpack(content) })
}
