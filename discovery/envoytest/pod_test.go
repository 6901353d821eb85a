//go:build envoy

package envoytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// pod is a server. Its name is its address.
type pod struct {
	t       *testing.T
	address string
	serve   func(net.Listener)
	// accepted counts connections, those of checks included.
	accepted atomic.Int64

	mu       sync.Mutex // guards what follows
	listener *trackingListener
	work     sync.WaitGroup
}

// pod starts a server that speaks first: it says its name, and then back what it
// is told.
func (m *mesh) pod(of model.MemberName) *pod {
	m.t.Helper()
	p := &pod{t: m.t, address: m.podAddress(of)}
	p.serve = func(listener net.Listener) {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.accepted.Add(1)
			go func() {
				defer conn.Close()
				fmt.Fprintln(conn, p.address)
				_, _ = io.Copy(conn, conn)
			}()
		}
	}
	p.start()
	m.t.Cleanup(p.stop)
	return p
}

// webPod starts a server of HTTP/1.1 and HTTP/2 in clear. It answers its name, to
// gRPC's content type with the trailer of a call that went well.
func (m *mesh) webPod(of model.MemberName) *pod {
	m.t.Helper()
	p := &pod{t: m.t, address: m.podAddress(of)}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.accepted.Add(1)
		if r.Header.Get("content-type") == "application/grpc" {
			w.Header().Set("content-type", "application/grpc")
			w.Header().Set("trailer", "grpc-status")
			defer w.Header().Set("grpc-status", "0")
		}
		for _, name := range []string{"x-sni", "x-forwarded-for", "x-envoy-expected-rq-timeout-ms"} {
			if values, leaked := r.Header[http.CanonicalHeaderKey(name)]; leaked {
				w.Header().Set("leaked", fmt.Sprint(name, values))
			}
		}
		_, _ = io.WriteString(w, p.address)
	})
	p.serve = func(listener net.Listener) {
		server := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
		if err := server.Serve(listener); !errors.Is(err, net.ErrClosed) {
			m.t.Error(err)
		}
	}
	p.start()
	m.t.Cleanup(p.stop)
	return p
}

func (p *pod) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", fmt.Sprintf("%s:%d", p.address, podPort))
	if err != nil {
		p.t.Fatal(err)
	}
	p.listener = &trackingListener{Listener: listener}
	tracked := p.listener
	p.work.Go(func() { p.serve(tracked) })
}

// stop ends the pod as its process's death would.
func (p *pod) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.cut()
		p.work.Wait()
		p.listener = nil
	}
}
