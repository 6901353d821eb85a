package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzQuery asks whatever may be asked: every answer is JSON, nothing is answered under
// another host's name, and no question is too much for the agent.
func FuzzQuery(f *testing.F) {
	for _, seed := range [][2]string{
		{"/view", "service=shop/cart"},
		{"/view", "service="},
		{"/view", "service=a/b/c"},
		{"/explain", "service=shop/cart&member=west"},
		{"/explain", "service=%00/%ff&member=%2e"},
		{"/config", "proxy=gateway-1"},
		{"/config", "proxy=%0a"},
		{"/members", "x=y;z"},
		{"//", ""},
	} {
		f.Add(seed[0], seed[1], "localhost")
	}
	f.Add("/members", "", "evil.example")
	f.Add("/members", "", "[::1%25lo]:1")
	front := Inspect(sources())
	f.Fuzz(func(t *testing.T, path, query, host string) {
		if !strings.HasPrefix(path, "/") {
			return
		}
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.URL, request.Host = &url.URL{Path: path, RawQuery: query}, host
		answer := httptest.NewRecorder()
		front.ServeHTTP(answer, request)
		own := strings.Contains(host, "localhost") || strings.Contains(host, "127.") || strings.Contains(host, "::")
		ours := answer.Header().Get("Content-Type") == "application/json"
		switch {
		case answer.Code == http.StatusOK && !own:
			t.Errorf("%q is answered", host)
		case answer.Code >= http.StatusInternalServerError && !strings.Contains(query, "broken"):
			t.Errorf("%s?%s: %d %s", path, query, answer.Code, answer.Body)
		case ours && !json.Valid(answer.Body.Bytes()):
			t.Errorf("%s?%s: no JSON: %s", path, query, answer.Body)
		}
	})
}
