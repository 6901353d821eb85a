package faultproxy

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// content is what the server answers; at /stream it comes in halves, and the second
// when it is asked to.
var content = bytes.Repeat([]byte("0123456789abcdef"), 4<<10)

// behind starts a server and returns how it is reached.
func behind(t *testing.T) (config *rest.Config, goOn chan struct{}) {
	t.Helper()
	goOn = make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(content[:len(content)/2])
		if r.URL.Path == "/stream" {
			_ = http.NewResponseController(w).Flush()
			<-goOn
		}
		_, _ = w.Write(content[len(content)/2:])
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return &rest.Config{Host: server.URL, BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: authority}}, goOn
}

// get reads a path over a connection of its own.
func get(t *testing.T, config *rest.Config, path string) (status int, body []byte, err error) {
	t.Helper()
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+config.BearerToken)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

func wantAll(t *testing.T, config *rest.Config) {
	t.Helper()
	if status, body, err := get(t, config, "/"); err != nil || status != http.StatusOK || !bytes.Equal(body, content) {
		t.Errorf("got %d, %d bytes, %v", status, len(body), err)
	}
}

func TestBytesPassAsTheyAre(t *testing.T) {
	t.Parallel()
	config, _ := behind(t)
	proxy, through := New(t, config)
	wantAll(t, through)
	if proxy.Accepted() != 1 {
		t.Errorf("%d connections", proxy.Accepted())
	}
	_, through = NewFront(t, config)
	wantAll(t, through)
}

func TestConnectionsBreak(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		harm, heal func(*testing.T, *Proxy)
		want       []error
	}{
		"nobody listens": {
			func(_ *testing.T, p *Proxy) { p.Refuse() }, func(t *testing.T, p *Proxy) { p.Accept(t) }, []error{syscall.ECONNREFUSED},
		},
		"new ones are reset": {
			func(_ *testing.T, p *Proxy) { p.ResetNew(true) }, func(_ *testing.T, p *Proxy) { p.ResetNew(false) }, []error{syscall.ECONNRESET},
		},
		"cut within an answer": {
			func(_ *testing.T, p *Proxy) { p.CutAfter(len(content) / 2) }, func(*testing.T, *Proxy) {}, []error{syscall.ECONNRESET, io.ErrUnexpectedEOF},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, _ := behind(t)
			proxy, through := New(t, config)
			tc.harm(t, proxy)
			_, _, err := get(t, through, "/")
			if !slices.ContainsFunc(tc.want, func(want error) bool { return errors.Is(err, want) }) {
				t.Errorf("got %v, want one of %v", err, tc.want)
			}
			tc.heal(t, proxy)
			wantAll(t, through)
		})
	}
}

func TestConnectionsThatStand(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		harm func(*Proxy)
		ends bool
	}{
		"are closed":          {(*Proxy).Cut, true},
		"are reset":           {(*Proxy).Reset, true},
		"are frozen for good": {(*Proxy).Freeze, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, goOn := behind(t)
			proxy, through := New(t, config)
			done := make(chan error, 1)
			go func() {
				_, _, err := get(t, through, "/stream")
				done <- err
			}()
			for proxy.Open() == 0 {
				wait(t)
			}
			tc.harm(proxy)
			close(goOn)
			if tc.ends {
				if err := <-done; err == nil {
					t.Error("the answer came to its end")
				}
				return
			}
			select {
			case err := <-done:
				t.Fatalf("the answer came to its end: %v", err)
			case <-time.After(200 * time.Millisecond):
			}
			proxy.Thaw()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// wait lets others run for a moment.
func wait(t *testing.T) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal("it took too long")
	case <-time.After(time.Millisecond):
	}
}

// TestSlowConnections sets least times only: a busy machine adds to them.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		harm  func(*Proxy)
		least time.Duration
	}{
		// TCP, TLS and the request go there and back at least twice.
		"each byte is late":          {func(p *Proxy) { p.Delay(100 * time.Millisecond) }, 400 * time.Millisecond},
		"few bytes pass in a second": {func(p *Proxy) { p.Rate(len(content)) }, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, _ := behind(t)
			proxy, through := New(t, config)
			tc.harm(proxy)
			began := time.Now()
			wantAll(t, through)
			if took := time.Since(began); took < tc.least {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	upper := func(_ *http.Request, piece []byte) ([]byte, error) { return bytes.ToUpper(piece), nil }
	broken := func(_ *http.Request, piece []byte) ([]byte, error) { return piece[:1], errors.New("enough") }
	for name, tc := range map[string]struct {
		script Script
		want   string
	}{
		"an answer of its own": {Script{Answer: func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}}, "429 0 bytes"},
		"a request is changed": {Script{Answer: func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Authorization", "Bearer other")
			return false
		}}, "401 0 bytes"},
		"a header is changed":     {Script{Header: func(_ *http.Request, h http.Header) { h.Set("Content-Type", "text/html") }}, "200 text/html"},
		"a body is changed":       {Script{Body: upper}, "200 upper"},
		"an answer is broken off": {Script{Body: broken}, "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, _ := behind(t)
			front, through := NewFront(t, config)
			front.Play(tc.script)
			if got := describe(t, through); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			front.Play(Script{})
			wantAll(t, through)
			if seen := front.Requests(); len(seen) != 2 || seen[1].Path != "/" || seen[1].Status != http.StatusOK {
				t.Errorf("seen %+v", seen)
			}
		})
	}
}

func describe(t *testing.T, config *rest.Config) string {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Get(config.Host + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "broken"
	case bytes.Equal(body, bytes.ToUpper(content)):
		return fmt.Sprintf("%d upper", response.StatusCode)
	case bytes.Equal(body, content):
		return fmt.Sprintf("%d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	return fmt.Sprintf("%d %d bytes", response.StatusCode, len(body))
}
