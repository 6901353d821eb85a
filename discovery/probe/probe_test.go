package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

const (
	east = "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/gateway-east"
	west = "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/gateway-west"
)

// gateway is a stand-in for west's: it admits who leads to a root and is east.
func gateway(t *testing.T, root, own *testca.Signer, status int) model.HostPort {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/gateway" {
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
		w.WriteHeader(status)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"mesh-hc"}, Certificates: []tls.Certificate{*own.TLS()},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: root.Pool(),
	}
	server.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"mesh-hc": func(s *http.Server, conn *tls.Conn, handler http.Handler) {
			request, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				return
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			_ = recorder.Result().Write(conn)
		},
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return address(t, server.Listener.Addr())
}

func address(t *testing.T, addr net.Addr) model.HostPort {
	t.Helper()
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		t.Fatalf("%T", addr)
	}
	return model.HostPort{Host: tcp.IP.String(), Port: uint16(tcp.Port)}
}

// silent accepts, and is told apart by what it says.
func silent(t *testing.T, says string) model.HostPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, says)
			conn.Close()
		}
	}()
	return address(t, listener.Addr())
}

// TestTheFirstBrokenHopIsNamed.
func TestTheFirstBrokenHopIsNamed(t *testing.T) {
	t.Parallel()
	root, foreign := testca.Root(t), testca.Root(t)
	between := root.Intermediate(t)
	good := gateway(t, root, between.Leaf(t, west), http.StatusOK)
	for name, tc := range map[string]struct {
		addresses []model.HostPort
		hop       Hop
		says      string
	}{
		"it answers":               {[]model.HostPort{good}, "", ""},
		"one of two answers":       {[]model.HostPort{{Host: "127.0.0.1", Port: 1}, good}, "", ""},
		"no address":               {nil, HopAddress, "no address"},
		"nobody accepts":           {[]model.HostPort{{Host: "127.0.0.1", Port: 1}}, HopTCP, "refused"},
		"no TLS":                   {[]model.HostPort{silent(t, "220 mail\r\n")}, HopTLS, ""},
		"closed in the handshake":  {[]model.HostPort{silent(t, "")}, HopTLS, ""},
		"another root":             {[]model.HostPort{gateway(t, foreign, foreign.Leaf(t, west), http.StatusOK)}, HopCertificate, "unknown authority"},
		"another member's gateway": {[]model.HostPort{gateway(t, root, between.Leaf(t, east), http.StatusOK)}, HopCertificate, "gateway-east"},
		"it does not let us in":    {[]model.HostPort{gateway(t, foreign, between.Leaf(t, west), http.StatusOK)}, HopAdmission, ""},
		"it is about to stop":      {[]model.HostPort{gateway(t, root, between.Leaf(t, west), http.StatusServiceUnavailable)}, HopAdmission, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := between.Leaf(t, east).TLS()
			p := New(Options{Certificate: func() (*tls.Certificate, error) { return own, nil }, Roots: func() *x509.CertPool { return root.Pool() }})
			got := p.probe(t.Context(), Target{Member: "west", Addresses: tc.addresses, Identity: west})
			wanted := tc.hop
			if wanted == "" {
				wanted = HopAdmission
			}
			if got.OK != (tc.hop == "") || got.Hop != wanted || !strings.Contains(got.Message, tc.says) {
				t.Errorf("%+v, want hop %q", got, tc.hop)
			}
		})
	}
}

// TestTCPAlone: the result says that no more was tried, and why.
func TestTCPAlone(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	const why = "its agent is too old"
	if got := p.probe(t.Context(), Target{Addresses: []model.HostPort{silent(t, "")}, Short: why}); !got.OK || got.Hop != HopTCP || got.Message != why || got.RTT != 0 {
		t.Errorf("something accepts: %+v", got)
	}
	if got := p.probe(t.Context(), Target{Addresses: []model.HostPort{{Host: "127.0.0.1", Port: 1}}, Short: why}); got.OK || got.Hop != HopTCP || got.Message == why {
		t.Errorf("nobody accepts: %+v", got)
	}
}

// TestOneFailureIsNone: a member that answered is believed to be gone at the second
// failure, and back at the first answer.
func TestOneFailureIsNone(t *testing.T) {
	t.Parallel()
	p := New(Options{Targets: func() []Target { return nil }})
	ok, bad := Result{OK: true}, Result{Hop: HopTCP}
	for i, step := range []struct {
		seen Result
		want bool
		wake bool
	}{{ok, true, true}, {bad, true, false}, {ok, true, false}, {bad, true, false}, {bad, false, true}, {bad, false, false}, {ok, true, true}} {
		p.note("west", step.seen)
		woken := false
		select {
		case <-p.Changed():
			woken = true
		default:
		}
		if got, _ := p.Result("west"); got.OK != step.want || woken != step.wake {
			t.Errorf("step %d: OK %v, woken %v", i+1, got.OK, woken)
		}
	}
	if got := p.Failures("west"); got[HopTCP] != 4 || len(got) != 1 {
		t.Errorf("failures are %v, want 4 of tcp", got)
	}
	p.round(t.Context())
	if _, known := p.Result("west"); known || len(p.Failures("west")) > 0 {
		t.Error("a member that left is remembered")
	}
}

// TestRunEnds with its context, also in the middle of a probe.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	root := testca.Root(t)
	own := root.Leaf(t, east).TLS()
	p := New(Options{
		Targets: func() []Target {
			return []Target{{Member: "west", Addresses: []model.HostPort{address(t, listener.Addr())}, Identity: west}}
		},
		Certificate: func() (*tls.Certificate, error) { return own, nil }, Roots: root.Pool,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = p.Run(ctx); close(done) }()
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}
