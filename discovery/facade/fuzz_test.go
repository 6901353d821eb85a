package facade

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// FuzzRequest sends what somebody who has istiod's token may ask for. A member sees
// only reads of what istiod reads, never of a Secret, and nothing of the token.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/members/west/api/v1/services", "watch=true"},
		{"GET", "/members/west/api/v1/namespaces/istio-system/secrets/cacerts", ""},
		{"GET", "/members/west/api/v1/secrets", "limit=500"},
		{"GET", "/members/west/api/v1/namespaces/a%2Fsecrets/services", ""},
		{"GET", "/members/west/api/v1/services/../secrets", ""},
		{"GET", "/members/west//api/v1/secrets/x", ""},
		{"GET", "/members/west/api/v1/namespaces/istio-system/configmaps", "fieldSelector=metadata.name%3Distio"},
		{"POST", "/members/west/api/v1/services", ""},
		{"GET", "/members/west/apis/discovery.k8s.io/v1/endpointslices", ""},
		{"GET", "/members/west/version", ""},
		{"CONNECT", "*", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	var seen *http.Request
	member := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
	f.Cleanup(member.Close)
	config := &rest.Config{Host: member.URL, BearerToken: "narrow"}
	front := New(Options{
		Member: func(name model.MemberName) (*rest.Config, bool) { return config, name == "west" },
		Token:  func() string { return token }, Log: slog.New(slog.DiscardHandler),
	})
	f.Fuzz(func(t *testing.T, method, path, query string) {
		target, err := url.Parse(path)
		if err != nil || strings.Contains(query, "watch") || len(path)+len(query) > 4096 {
			return // a watch of nothing stays open
		}
		target.RawQuery = query
		request := &http.Request{
			Method: method, URL: target, Header: http.Header{"Authorization": {"Bearer " + token}, "Impersonate-User": {"root"}},
			Body: io.NopCloser(strings.NewReader("")), Host: "facade",
		}
		seen = nil
		answer := httptest.NewRecorder()
		front.ServeHTTP(answer, request.WithContext(t.Context()))
		if seen == nil {
			return
		}
		parts := strings.Split(seen.URL.Path, "/")
		switch {
		case method != http.MethodGet || seen.Method != http.MethodGet:
			t.Errorf("%s reached the member", method)
		case slices.Contains(parts, "secrets") && !isNamespaceOrName(parts), slices.Contains(parts, ".."), slices.Contains(parts, "."):
			t.Errorf("the member was asked for %q", seen.URL.Path)
		case seen.Header.Get("Authorization") != "Bearer narrow", seen.Header.Get("Impersonate-User") != "":
			t.Errorf("the member was shown %v", seen.Header)
		}
	})
}

// isNamespaceOrName reports whether the word secrets is not what is read, but where.
func isNamespaceOrName(parts []string) bool {
	at := slices.Index(parts, "secrets")
	if parts[1] == "apis" {
		return true // no API group but the core one has Secrets
	}
	return at > 3 && (parts[at-1] == "namespaces" || slices.Contains(readable["v1"], parts[at-1]))
}
