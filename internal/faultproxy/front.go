package faultproxy

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// Front is a Proxy that also reads what passes: TLS ends here, and begins anew
// towards the server with the credential that the client showed.
type Front struct {
	*Proxy

	// mu guards what follows.
	mu       sync.Mutex
	script   Script
	requests []Request
}

// Script says what becomes of requests and their answers. The zero value passes all.
type Script struct {
	// Answer is asked before a request is passed on. It may change the request, or
	// answer it: then it returns true.
	Answer func(w http.ResponseWriter, r *http.Request) bool
	// Header may change the header of an answer.
	Header func(r *http.Request, header http.Header)
	// Body gets each piece of an answer, also of one that began before the script did,
	// and returns what the client gets in its place. An error breaks the answer off.
	Body func(r *http.Request, piece []byte) ([]byte, error)
}

// Request is one that came, with the status of its answer; 0 as long as there is none.
type Request struct {
	At                  time.Time
	Method, Path, Query string
	Status              int
}

// NewFront returns a Front of the server of a configuration, and the configuration
// that leads through it, with the same credential. It ends with the test.
func NewFront(t testing.TB, config *rest.Config) (*Front, *rest.Config) {
	t.Helper()
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	f := &Front{}
	forward := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	server := httptest.NewUnstartedServer(f.handler(forward))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	f.Proxy = newProxy(t, server.Listener.Addr().String())
	through := rest.CopyConfig(config)
	through.Host = "https://" + f.Address()
	through.TLSClientConfig = rest.TLSClientConfig{
		CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
	return f, through
}

// Play puts a script in place of the one before.
func (f *Front) Play(script Script) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = script
}

// Requests are all that came, in their order.
func (f *Front) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

func (f *Front) current() Script {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.script
}

func (f *Front) handler(forward http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		at, script := len(f.requests), f.script
		f.requests = append(f.requests, Request{At: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery})
		f.mu.Unlock()
		answer := &answer{ResponseWriter: w, front: f, request: r, at: at}
		if script.Answer != nil && script.Answer(answer, r) {
			return
		}
		answer.passed = true
		forward.ServeHTTP(answer, r)
	})
}

// answer is one on its way to the client.
type answer struct {
	http.ResponseWriter
	front   *Front
	request *http.Request
	at      int
	// passed is true where the server made it, and no script.
	passed bool
}

func (a *answer) WriteHeader(status int) {
	if script := a.front.current(); a.passed && script.Header != nil {
		script.Header(a.request, a.Header())
	}
	a.front.mu.Lock()
	a.front.requests[a.at].Status = status
	a.front.mu.Unlock()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(piece []byte) (int, error) {
	script := a.front.current()
	if !a.passed || script.Body == nil {
		return a.ResponseWriter.Write(piece)
	}
	changed, err := script.Body(a.request, piece)
	if _, writeErr := a.ResponseWriter.Write(changed); err == nil {
		err = writeErr
	}
	if err != nil {
		return 0, err
	}
	return len(piece), nil
}

// Unwrap lets http.ResponseController flush.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
