package watch

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// faultProxy stands between a Cluster and a real API server and breaks the
// connection in the ways of reliability tests.
type faultProxy struct {
	target, address string

	// mu guards what follows.
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	// gate is closed as long as bytes flow; frozen connections wait for it.
	gate  chan struct{}
	ended bool
	group sync.WaitGroup
}

// newFaultProxy returns a proxy and a configuration that goes through it.
func newFaultProxy(t *testing.T, config *rest.Config) (*faultProxy, *rest.Config) {
	t.Helper()
	server, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	p := &faultProxy{target: server.Host, address: "127.0.0.1:0", conns: map[net.Conn]struct{}{}, gate: make(chan struct{})}
	close(p.gate)
	p.listen(t)
	t.Cleanup(func() {
		p.thaw()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.refuse()
		p.group.Wait()
	})
	through := rest.CopyConfig(config)
	through.Host = "https://" + p.address
	return p, through
}

// listen accepts connections, again at the same port.
func (p *faultProxy) listen(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", p.address)
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

// refuse resets all connections and accepts no more.
func (p *faultProxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// freeze lets no more bytes through, and keeps connections open.
func (p *faultProxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *faultProxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

func (p *faultProxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	if p.ended {
		_ = client.Close()
		_ = server.Close()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(client, server) })
	both.Go(func() { p.copy(server, client) })
	both.Wait()
}

func (p *faultProxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		gate := p.gate
		p.mu.Unlock()
		<-gate
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}
