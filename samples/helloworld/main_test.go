package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		path string
		code int
		body string
	}{
		"hello names version and instance": {path: "/hello", code: http.StatusOK, body: "Hello version: v2, instance: pod-1\n"},
		"health is empty":                  {path: "/health", code: http.StatusOK},
		"nothing else is served":           {path: "/", code: http.StatusNotFound, body: "404 page not found\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			handler("v2", "pod-1").ServeHTTP(rec, httptest.NewRequest(http.MethodGet, tt.path, nil))
			if rec.Code != tt.code || rec.Body.String() != tt.body {
				t.Errorf("GET %s = %d %q, want %d %q", tt.path, rec.Code, rec.Body.String(), tt.code, tt.body)
			}
		})
	}
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	handler("v2", "pod-1").ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/helloworld.Hello/Say", nil))
	got := rec.Result()
	text := "Hello version: v2, instance: pod-1\n"
	if want := "\x00\x00\x00\x00\x25\x0a\x23" + text; rec.Body.String() != want {
		t.Errorf("body %q, want %q", rec.Body.String(), want)
	}
	if got.Header.Get("Content-Type") != "application/grpc" || got.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("header %v, trailer %v", got.Header, got.Trailer)
	}
}
