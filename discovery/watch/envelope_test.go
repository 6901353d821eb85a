package watch

import (
	"bytes"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// FuzzEnvelope compares with how Kubernetes writes and reads events and envelopes. What
// neither of them would write one may read and the other not.
func FuzzEnvelope(f *testing.F) {
	f.Add("ADDED", []byte("object"), []byte("\n\x00\x12\x00"))
	f.Add("", []byte{}, []byte("\x10\x01"))
	f.Fuzz(func(t *testing.T, word string, content, raw []byte) {
		event := metav1.WatchEvent{Type: word, Object: runtime.RawExtension{Raw: content}}
		written, err := event.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var got, want metav1.WatchEvent
		if err := decodeEvent(written, &got); err != nil || got.Type != word || !bytes.Equal(got.Object.Raw, content) {
			t.Errorf("event %q and %v", got, err)
		}
		if decodeEvent(raw, &got) == nil && want.Unmarshal(raw) == nil && (got.Type != want.Type || !bytes.Equal(got.Object.Raw, want.Object.Raw)) {
			t.Errorf("event %q, want %q", got, want)
		}
		envelope := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: word}, Raw: content, ContentType: "a", ContentEncoding: "b"}
		if written, err = envelope.Marshal(); err != nil {
			t.Fatal(err)
		}
		if within, err := enveloped(append(bytes.Clone(magic), written...), word); err != nil || !bytes.Equal(within, content) {
			t.Errorf("content %q and %v", within, err)
		}
		envelope = runtime.Unknown{}
		if envelope.Unmarshal(raw) == nil {
			within, err := enveloped(append(bytes.Clone(magic), raw...), envelope.Kind)
			if err == nil && !bytes.Equal(within, envelope.Raw) {
				t.Errorf("content %q, want %q", within, envelope.Raw)
			}
		}
	})
}

// TestEnvelope reads what Kubernetes wrote, and refuses what is of another kind.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "Service"}, Raw: []byte("content")}
	raw, err := unknown.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	raw = append(bytes.Clone(magic), raw...)
	if content, err := enveloped(raw, "Service"); err != nil || string(content) != "content" {
		t.Errorf("content %q, error %v", content, err)
	}
	for name, broken := range map[string][]byte{
		"another kind":        bytes.ReplaceAll(raw, []byte("Service"), []byte("Secrets")),
		"no magic":            raw[1:],
		"a number as content": append(bytes.Clone(magic), "\n\x09\x12\x07Service\x10\x01"...),
		"cut":                 raw[:len(raw)-20],
	} {
		if content, err := enveloped(broken, "Service"); err == nil {
			t.Errorf("%s: content %q", name, content)
		}
	}
}
