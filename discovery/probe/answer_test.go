package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

const (
	agent = "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/eastwest-agent"
	other = "spiffe://" + testca.TrustDomain + "/ns/shop/sa/cart"
	sni   = "outbound_.15018_._.eastwest-probe-west.eastwest-system.svc.cluster.local"
)

// respond starts west's Responder.
func respond(t *testing.T, responder Responder) model.HostPort {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- responder.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return address(t, listener.Addr())
}

// responder is west's, with a certificate of a signer.
func responder(own *testca.Signer, root *testca.Signer) Responder {
	return Responder{
		Member: "west", Roots: root.Pool, Protocols: []string{"istio"},
		Certificate: func() (*tls.Certificate, error) { return own.TLS(), nil },
		Admits:      func(identity string) bool { return identity == agent },
	}
}

// TestTheWayBehindAGateway names the first broken hop up to the answer.
func TestTheWayBehindAGateway(t *testing.T) {
	t.Parallel()
	root, foreign := testca.Root(t), testca.Root(t)
	between := root.Intermediate(t)
	good := responder(between.Leaf(t, agent), root)
	elsewhere, without := good, good
	elsewhere.Member = "north"
	without.Certificate = func() (*tls.Certificate, error) { return nil, errors.New("istiod refuses") }
	for name, tc := range map[string]struct {
		responder Responder
		asks      string // the identity of who asks; empty: it has no certificate
		ok        bool
		hop       Hop
		says      string
	}{
		"it answers":                      {good, agent, true, HopAnswer, ""},
		"another member answers":          {elsewhere, agent, false, HopAnswer, `"north"`},
		"another root":                    {responder(foreign.Leaf(t, agent), root), agent, false, HopCertificate, "unknown authority"},
		"another workload":                {responder(between.Leaf(t, other), root), agent, false, HopCertificate, "sa/cart, not"},
		"who asks is another workload":    {good, other, false, HopAdmission, ""},
		"who asks leads to another root":  {responder(between.Leaf(t, agent), foreign), agent, false, HopAdmission, ""},
		"who is asked has no certificate": {without, agent, true, HopTLS, "no certificate of the mesh"},
		"who asks has no certificate":     {good, "", true, HopTCP, "istiod is away"},
		"neither has a certificate":       {without, "", true, HopTCP, "istiod is away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := New(Options{Roots: root.Pool, Certificate: func() (*tls.Certificate, error) {
				if tc.asks == "" {
					return nil, errors.New("istiod is away")
				}
				return between.Leaf(t, tc.asks).TLS(), nil
			}})
			way := Behind(sni, "istio", "west")
			got := p.probe(t.Context(), Target{Member: "west", Addresses: []model.HostPort{respond(t, tc.responder)}, Identity: agent, Way: &way})
			if got.OK != tc.ok || got.Hop != tc.hop || !strings.Contains(got.Message, tc.says) {
				t.Errorf("%+v, want %v at %q with %q", got, tc.ok, tc.hop, tc.says)
			}
			if answered := tc.ok && tc.hop == HopAnswer; answered != (got.RTT > 0) {
				t.Errorf("RTT is %s", got.RTT)
			}
		})
	}
}

// TestNothingBehindTheServerName: a gateway closes the connection, and that is told
// apart from a port that is closed.
func TestNothingBehindTheServerName(t *testing.T) {
	t.Parallel()
	root := testca.Root(t)
	p := New(Options{Roots: root.Pool, Certificate: func() (*tls.Certificate, error) { return root.Leaf(t, agent).TLS(), nil }})
	way := Behind(sni, "istio", "west")
	got := p.probe(t.Context(), Target{Member: "west", Addresses: []model.HostPort{silent(t, "")}, Identity: agent, Way: &way})
	if got.OK || got.Hop != HopTLS || !strings.Contains(got.Message, sni) {
		t.Errorf("%+v", got)
	}
}

// TestAnExcuse is asked for only where the gateway accepts and nothing is behind it.
func TestAnExcuse(t *testing.T) {
	t.Parallel()
	root := testca.Root(t)
	for name, tc := range map[string]struct {
		at     model.HostPort
		excuse string
		asked  bool
		want   Result
	}{
		"nothing behind it, for a reason":  {silent(t, ""), "nobody is ready", true, Result{OK: true, Hop: HopTCP, Message: "nobody is ready"}},
		"nothing behind it, for no reason": {silent(t, ""), "", true, Result{Hop: HopTLS}},
		"nobody accepts":                   {model.HostPort{Host: "127.0.0.1", Port: 1}, "nobody is ready", false, Result{Hop: HopTCP}},
		"it answers":                       {respond(t, responder(root.Leaf(t, agent), root)), "nobody is ready", false, Result{OK: true, Hop: HopAnswer}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := New(Options{Roots: root.Pool, Certificate: func() (*tls.Certificate, error) { return root.Leaf(t, agent).TLS(), nil }})
			way, asked := Behind(sni, "istio", "west"), false
			got := p.probe(t.Context(), Target{Member: "west", Addresses: []model.HostPort{tc.at}, Identity: agent, Way: &way, Excuse: func(context.Context) string {
				asked = true
				return tc.excuse
			}})
			if got.OK != tc.want.OK || got.Hop != tc.want.Hop || asked != tc.asked || tc.want.Message != "" && got.Message != tc.want.Message {
				t.Errorf("%+v, asked %v; want %+v, asked %v", got, asked, tc.want, tc.asked)
			}
		})
	}
}

// TestAnAnswerOfBeforeIsNone: whoever only repeats what was once answered has no way
// to the member.
func TestAnAnswerOfBeforeIsNone(t *testing.T) {
	t.Parallel()
	root := testca.Root(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{*root.Leaf(t, agent).TLS()}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"istio"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, question)); err == nil {
			_, _ = conn.Write(append(make([]byte, question), append([]byte{4}, "west"...)...))
		}
	}()
	p := New(Options{Roots: root.Pool, Certificate: func() (*tls.Certificate, error) { return root.Leaf(t, agent).TLS(), nil }})
	way := Behind(sni, "istio", "west")
	got := p.probe(t.Context(), Target{Member: "west", Addresses: []model.HostPort{address(t, listener.Addr())}, Identity: agent, Way: &way})
	if got.OK || got.Hop != HopAnswer {
		t.Errorf("%+v", got)
	}
}

// TestTheRoundTripHasNoHandshake: the first question is slow, as the other end looks
// at certificates then, and is not what counts; but where a gateway closes after one
// answer there is no other.
func TestTheRoundTripHasNoHandshake(t *testing.T) {
	t.Parallel()
	const slow, fast = 50 * time.Millisecond, time.Millisecond
	for name, tc := range map[string]struct {
		answers []error
		want    time.Duration
		err     error
	}{
		"two answers": {[]error{nil, nil}, fast, nil},
		"one answer":  {[]error{nil, io.EOF}, slow, nil},
		"no answer":   {[]error{io.EOF}, 0, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				rtt, err := timed(func() error {
					time.Sleep([]time.Duration{slow, fast}[asked])
					asked++
					return tc.answers[asked-1]
				})
				if rtt != tc.want || !errors.Is(err, tc.err) || asked != len(tc.answers) {
					t.Errorf("%s and %v after %d questions", rtt, err, asked)
				}
			})
		})
	}
}

// TestAResponderIsBounded: it answers few questions on a connection, and whoever
// says nothing keeps nobody else away.
func TestAResponderIsBounded(t *testing.T) {
	t.Parallel()
	root := testca.Root(t)
	at := respond(t, responder(root.Leaf(t, agent), root))
	for range 3 { // they send nothing, and stay
		idle, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	conn, err := tls.Dial("tcp", at.String(), &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{*root.Leaf(t, agent).TLS()}, NextProtos: []string{"istio"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answered := 0
	for range mostQuestions + 2 {
		if _, err := conn.Write(make([]byte, question)); err != nil {
			break
		}
		if _, err := io.ReadFull(conn, make([]byte, question+1+len("west"))); err != nil {
			break
		}
		answered++
	}
	if answered != mostQuestions {
		t.Errorf("%d questions were answered on one connection, want %d", answered, mostQuestions)
	}
}
