// Package faultproxy owns a proxy that stands between a client and one API server
// and breaks what passes between them, in the ways in which networks and servers
// break: on the level of connections here, on that of requests in front.go. It is for
// tests only, and must not know who the client is nor what it does about it.
package faultproxy

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// Proxy passes bytes on as they are, but for what it was told to break. All methods
// may be called at any time.
type Proxy struct {
	target string

	// mu guards what follows.
	mu       sync.Mutex
	address  string
	listener net.Listener
	links    map[*link]struct{}
	accepted int
	// gate is closed as long as bytes flow; frozen connections wait for it.
	gate chan struct{}
	// resets is true where every new connection is reset at once.
	resets bool
	delay  time.Duration
	// rate is in bytes a second, 0 for no limit.
	rate int
	// left is how many bytes of answers pass before a connection is cut; below 0 for
	// no limit.
	left  int
	ended bool
	group sync.WaitGroup
}

// New returns a proxy in front of the server of a configuration, and the
// configuration that leads through it. It ends with the test.
func New(t testing.TB, config *rest.Config) (*Proxy, *rest.Config) {
	t.Helper()
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, server.Host)
	through := rest.CopyConfig(config)
	through.Host = "https://" + p.Address()
	return p, through
}

func newProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{target: target, address: "127.0.0.1:0", links: map[*link]struct{}{}, gate: make(chan struct{}), left: -1}
	close(p.gate)
	p.Accept(t)
	t.Cleanup(func() {
		p.Thaw()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.Refuse()
		p.group.Wait()
	})
	return p
}

// Address is where the proxy listens, HOST:PORT.
func (p *Proxy) Address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// Accept takes connections, after Refuse again and at the same port.
func (p *Proxy) Accept(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.listener, p.address = listener, listener.Addr().String()
	p.mu.Unlock()
	p.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.group.Go(func() { p.serve(conn) })
		}
	})
}

// Accepted counts the connections that were taken so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Open counts the clients' connections that stand.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	p.accepted++
	resets := p.resets
	p.mu.Unlock()
	if resets {
		reset(client)
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	one := &link{proxy: p, client: client, server: server, done: make(chan struct{})}
	p.mu.Lock()
	p.links[one] = struct{}{}
	ended := p.ended
	p.mu.Unlock()
	if ended {
		one.close(false)
	}
	one.run()
	p.mu.Lock()
	delete(p.links, one)
	p.mu.Unlock()
}
