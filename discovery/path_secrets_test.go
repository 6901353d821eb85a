package discovery

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/admin"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// keyMark is in every private key.
const keyMark = "PRIVATE KEY"

// checkSecrets is I8: no token and no key is in what is logged, shown, counted, kept or
// written anywhere but to Secrets.
func (w *world) checkSecrets() {
	for what, text := range w.told() {
		for _, mark := range []string{secretMark, keyMark} {
			for _, form := range formsOf(mark) {
				if strings.Contains(text, form) {
					w.violate("I8: a secret with %q, as %q, is in %s", mark, form, what)
				}
			}
		}
		if text == "" && what != "snapshot" {
			w.violate("I8: %s is empty: nothing was looked at", what)
		}
	}
}

// told is all that anybody can read, by where that is.
func (w *world) told() map[string]string {
	texts := map[string]string{"log": w.logs.String(), "snapshot": ""}
	for _, r := range w.replicas {
		pages := admin.Inspect(r.agent.sources())
		for _, path := range []string{"/members", "/view", "/view?service=shop/a", "/proxies", "/config", "/config?proxy=gateway-" + r.pod, "/explain?service=shop/a"} {
			texts[path] += ask(pages, path)
		}
		texts["metrics"] += ask(r.agent.metrics.Handler(), "/metrics")
		if file, err := os.ReadFile(filepath.Join(r.settings.File.Snapshot.Folder, "last.shards")); err == nil {
			texts["snapshot"] += string(file)
		}
	}
	w.own.api.Do(func() {
		for path, objects := range w.own.api.Objects {
			for key, object := range objects {
				if path != fakeapi.SecretPath {
					texts["objects of the own cluster"] += key + string(mustJSON(object))
				}
			}
		}
	})
	return texts
}

func ask(handler http.Handler, path string) string {
	answer := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Host = "localhost"
	handler.ServeHTTP(answer, request)
	return answer.Body.String()
}

// formsOf are the forms in which a text may be within others: as it is, as bytes that
// were printed, in hexadecimal, and in base64 from any of three places.
func formsOf(text string) []string {
	forms := []string{text, strings.Trim(fmt.Sprint([]byte(text)), "[]"), hex.EncodeToString([]byte(text))}
	const bits, letter = 8, 6 // of a byte; of a letter of base64
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", before) + text))
		first, last := (before*bits+letter-1)/letter, (before+len(text))*bits/letter
		forms = append(forms, encoded[first:last])
	}
	return forms
}

func TestEveryFormOfASecretIsFound(t *testing.T) {
	t.Parallel()
	found := func(text string) bool {
		for _, form := range formsOf(keyMark) {
			if strings.Contains(text, form) {
				return true
			}
		}
		return false
	}
	for before := range 7 {
		whole := strings.Repeat("x", before) + keyMark + "-----"
		for what, text := range map[string]string{
			"as it is": whole, "bytes": fmt.Sprint([]byte(whole)), "hexadecimal": fmt.Sprintf("%x", whole),
			"base64": base64.StdEncoding.EncodeToString([]byte(whole)), "base64 of an URL": base64.RawURLEncoding.EncodeToString([]byte(whole)),
		} {
			if !found(text) {
				t.Errorf("%s, after %d bytes: %s has none of %q", what, before, text, formsOf(keyMark))
			}
		}
	}
	if found("a public key") {
		t.Error("something is found where nothing is")
	}
}
