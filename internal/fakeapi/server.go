// Package fakeapi is a Kubernetes API server for tests, as much of one as members and
// an agent's own cluster must be: lists, watches in protobuf and JSON, writes with
// their conflicts. It speaks over pipes, so that tests can run it in a bubble with a
// clock of its own, and can be cut, silenced, emptied and set back. It must not know
// who reads it, nor what the objects mean.
package fakeapi

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Server is one API server. Its fields are changed within Do, and before anybody dials
// also without.
type Server struct {
	server http.Server

	// mu guards what follows.
	mu sync.Mutex
	// UID is that of the namespace kube-system.
	UID string
	// Revision is that of the last change.
	Revision int
	// Objects are by the path of their collection, then by namespace/name. What has no
	// path here is not served. Who changes it tells no watcher.
	Objects map[string]map[string]metav1.Object
	// Tokens are those that are let in; nil lets everybody in.
	Tokens map[string]bool
	// Refusing makes dialling fail; Silent makes watches send nothing more.
	Refusing, Silent bool
	// Dials and Requests are all there were; a request is its path, ? and its query.
	Dials    int
	Requests []string
	// Intercept answers a request itself where it returns true.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
	// Writes is told of a write that is about to be made, within Do.
	Writes func(r *http.Request)
	// Conns are the open connections.
	Conns map[net.Conn]struct{}

	// gone are deleted objects, so that a watch from before can be told.
	gone     map[string]map[string]metav1.Object
	watchers map[*watcher]struct{}
	// oldest is the revision that a watch can begin from.
	oldest   int
	accepted chan net.Conn
	closed   chan struct{}
}

// New returns a server that serves Services, EndpointSlices and ServiceExports, none of
// which exist, and is closed with the test.
func New(t testing.TB) *Server {
	f := &Server{
		UID: "uid-1", Revision: 100, watchers: map[*watcher]struct{}{}, Conns: map[net.Conn]struct{}{},
		Objects: map[string]map[string]metav1.Object{ServicePath: {}, SlicePath: {}, ExportPath: {}, NamespacePath: {}},
		gone:    map[string]map[string]metav1.Object{}, accepted: make(chan net.Conn), closed: make(chan struct{}),
	}
	f.server.Handler = f
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.server.Serve(f)
	}()
	t.Cleanup(func() {
		_ = f.server.Close()
		<-done
	})
	return f
}

// Accept, Close and Addr make it a listener.
func (f *Server) Accept() (net.Conn, error) {
	select {
	case conn := <-f.accepted:
		return conn, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *Server) Close() error { close(f.closed); return nil }

// Addr implements net.Listener.
func (f *Server) Addr() net.Addr { return &net.UnixAddr{} }

// Config connects to it.
func (f *Server) Config() *rest.Config {
	return &rest.Config{Host: "http://member", Dial: f.Dial, BearerToken: "token"}
}

// Dial is that of a rest.Config; the address does not matter.
func (f *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	f.mu.Lock()
	f.Dials++
	refusing := f.Refusing
	f.mu.Unlock()
	if refusing {
		return nil, errors.New("connection refused")
	}
	pipe, server := net.Pipe()
	client := &conn{pipe, f}
	f.mu.Lock()
	f.Conns[client] = struct{}{}
	f.mu.Unlock()
	select {
	case f.accepted <- server:
		return client, nil
	case <-f.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// conn is known as long as it is open.
type conn struct {
	net.Conn
	api *Server
}

func (c *conn) Close() error {
	c.api.Do(func() { delete(c.api.Conns, c) })
	return c.Conn.Close()
}

// Do changes the server under its lock.
func (f *Server) Do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// Cut closes every connection.
func (f *Server) Cut() {
	f.mu.Lock()
	all := slices.Collect(maps.Keys(f.Conns))
	f.mu.Unlock()
	for _, conn := range all {
		_ = conn.Close()
	}
}

// Compact forgets the past: a watch from before is told that it is too old.
func (f *Server) Compact() {
	f.Do(func() {
		f.Revision++
		f.oldest = f.Revision
	})
}

// Seen counts requests whose line begins so.
func (f *Server) Seen(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := 0
	for _, one := range f.Requests {
		if strings.HasPrefix(one, prefix) {
			count++
		}
	}
	return count
}

// Dialled counts attempts to connect.
func (f *Server) Dialled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Dials
}

// Beside runs what uses the server until the test is over, and then closes what it left
// open. What it returns ends it before, and waits for that.
func (f *Server) Beside(t testing.TB, run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		stop()
		f.Cut()
	})
	return stop
}
