//go:build e2e

package agentfaults

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// shared is what outlives a test: one root for all, and gateways of members that
// answer the agents' probes.
var shared struct {
	mu       sync.Mutex
	root     *testca.Signer
	gateways map[string]*standIn
}

func root(t *testing.T) *testca.Signer {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.root == nil {
		shared.root = testca.Root(t)
	}
	return shared.root
}

// standIn answers in the place of a member's gateway, and leads nowhere.
type standIn struct {
	address string
	config  *tls.Config

	mu       sync.Mutex
	listener net.Listener
}

// gatewayOf returns the gateway of a member, which accepts.
func gatewayOf(t *testing.T, name string) *standIn {
	t.Helper()
	above := root(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if one := shared.gateways[name]; one != nil {
		return one
	}
	one := &standIn{address: gatewayAddress(name), config: &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*above.Leaf(t, identity(name)).TLS()},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: above.Pool(), NextProtos: []string{"mesh-hc"},
	}}
	one.open(t)
	if shared.gateways == nil {
		shared.gateways = map[string]*standIn{}
	}
	shared.gateways[name] = one
	return one
}

// open accepts connections.
func (s *standIn) open(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", s.address)
	must(t, err)
	s.mu.Lock()
	s.listener = listener
	s.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(tls.Server(conn, s.config))
		}
	}()
}

// close accepts none any more.
func (s *standIn) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.listener.Close()
}

// answer says to every request that all is well.
func answer(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}
