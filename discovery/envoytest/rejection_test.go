//go:build envoy

package envoytest

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// fortress is a gateway of c2 with a service that c1 may use. No gateway runs in
// c1, so that every connection to a pod is on account of what the test does.
type fortress struct {
	*mesh
	gateway *gateway
	pod     *pod
	// friend is a peer that is let in.
	friend peer
	// signer issues for c1.
	signer *testca.Signer
}

func newFortress(t *testing.T) *fortress {
	t.Helper()
	m := newMesh(t, c1, c2)
	f := &fortress{mesh: m, pod: m.pod(c2), signer: m.root.Intermediate(t, testca.Within(testca.TrustDomain))}
	db := m.export("db", database, map[model.MemberName][]string{c2: {f.pod.address}})
	m.export("empty", database, map[model.MemberName][]string{c2: nil})
	m.publish()
	f.gateway = m.gateway(c2)
	f.friend = peer{
		address: m.inbound(c2), sni: translate.InboundName(db), alpn: dialects[0],
		certificate: f.signer.Leaf(t, gatewayID(c1)).TLS(),
	}
	return f
}

// quiet are the counters of connections that no peer may cause, but for those of
// health checks.
func (f *fortress) quiet() map[string]int {
	found := map[string]int{"pod": int(f.pod.accepted.Load())}
	for name, value := range f.gateway.counters() {
		if strings.HasPrefix(name, "cluster.") && strings.HasSuffix(name, ".upstream_cx_total") && !strings.HasPrefix(name, "cluster.gateway|") {
			found[name] = value
		}
	}
	return found
}

// untouched fails where a connection was made since before.
func (f *fortress) untouched(t *testing.T, before map[string]int) {
	t.Helper()
	for name, value := range f.quiet() {
		if value != before[name] {
			t.Errorf("%s rose from %d to %d", name, before[name], value)
		}
	}
}

// letIn proves that the gateway works and that its connections are counted.
func (f *fortress) letIn(t *testing.T) {
	t.Helper()
	before := f.quiet()
	if told, err := f.friend.greet(); told != f.pod.address {
		t.Fatalf("a member's gateway was told %q: %v", told, err)
	}
	counter := "cluster." + f.friend.sni + ".upstream_cx_total"
	if after := f.quiet(); after["pod"] != before["pod"]+1 || after[counter] != before[counter]+1 {
		t.Fatalf("a connection was not counted: %v, then %v", before, after)
	}
}

// TestPeersAreRejected is H10. It shows the gateway what it must not let in. Each is closed,
// reaches no pod, and makes a counter rise.
func TestPeersAreRejected(t *testing.T) {
	t.Parallel()
	f := newFortress(t)
	f.letIn(t)
	longAgo := func(template *x509.Certificate) { template.NotAfter = time.Now().Add(-time.Minute) }
	as := func(change func(*peer)) func() (string, error) {
		p := f.friend
		change(&p)
		return p.greet
	}
	leaf := func(signer *testca.Signer, identity string, changes ...func(*x509.Certificate)) func() (string, error) {
		return as(func(p *peer) { p.certificate = signer.Leaf(t, identity, changes...).TLS() })
	}
	raw := func(text []byte) func() (string, error) {
		return func() (string, error) { return say(f.friend.address, text) }
	}
	whole := hello(t, f.friend.config())
	elsewhere := strings.Replace(gatewayID(c1), testca.TrustDomain, testca.TrustDomain+".evil", 1)
	const noChain = "listener.in.no_filter_chain_match"
	for name, tc := range map[string]struct {
		try     func() (string, error)
		counter string
	}{
		"a service that does not exist": {as(func(p *peer) { p.sni = strings.Replace(p.sni, "5432", "5433", 1) }), "tcp.in.downstream_cx_no_route"},
		"a service without a pod":       {as(func(p *peer) { p.sni = strings.Replace(p.sni, ".db.", ".empty.", 1) }), "cluster." + strings.Replace(f.friend.sni, ".db.", ".empty.", 1) + ".upstream_cx_none_healthy"},
		"a name that is no service's":   {as(func(p *peer) { p.sni = "example.com" }), noChain},
		"no name":                       {as(func(p *peer) { p.sni = "" }), noChain},
		"no certificate":                {as(func(p *peer) { p.certificate = &tls.Certificate{} }), "listener.in.ssl.fail_verify_no_cert"},
		"no certificate, TLS 1.2":       {as(func(p *peer) { p.certificate, p.version = &tls.Certificate{}, tls.VersionTLS12 }), "listener.in.ssl.fail_verify_no_cert"},
		"a foreign root":                {leaf(testca.Root(t), gatewayID(c1)), "listener.in.ssl.fail_verify_error"},
		"an expired certificate":        {leaf(f.signer, gatewayID(c1), longAgo), "listener.in.ssl.fail_verify_error"},
		"another trust domain":          {leaf(f.mesh.root.Intermediate(t), elsewhere), "listener.in.ssl.fail_verify_san"},
		"one that its CA may not sign":  {leaf(f.signer, elsewhere), "listener.in.ssl.fail_verify_error"},
		"a workload of the mesh":        {leaf(f.signer, "spiffe://"+testca.TrustDomain+"/ns/sample/sa/client"), "listener.in.ssl.fail_verify_san"},
		"a member that is not here":     {leaf(f.signer, gatewayID(c3)), "listener.in.ssl.fail_verify_san"},
		"the gateway itself":            {leaf(f.signer, gatewayID(c2)), "listener.in.ssl.fail_verify_san"},
		"plain text":                    {raw([]byte("GET / HTTP/1.1\r\nhost: x\r\n\r\n")), "tls_inspector.tls_not_found"},
		"silence":                       {raw(nil), "listener.in.downstream_pre_cx_timeout"},
		"half a ClientHello":            {raw(whole[:len(whole)/2]), "listener.in.downstream_pre_cx_timeout"},
		"a huge ClientHello":            {raw(huge(t, f.friend)), "tls_inspector.client_hello_too_large"},
		"a ClientHello without end":     {func() (string, error) { return stream(f.friend.address, endless(), 0) }, "tls_inspector.client_hello_too_large"},
		"a ClientHello that trickles":   {func() (string, error) { return stream(f.friend.address, byByte(whole), 200*time.Millisecond) }, "listener.in.downstream_pre_cx_timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			before, counted := f.quiet(), f.gateway.counters()[tc.counter]
			began := time.Now()
			if err := refused(tc.try()); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			await(t, tc.counter+" rises", patience, func() error {
				if now := f.gateway.counters()[tc.counter]; now <= counted {
					return fmt.Errorf("it is %d and was %d", now, counted)
				}
				return nil
			})
			f.untouched(t, before)
			t.Logf("figure: closed after %v, %s", took.Round(time.Millisecond), tc.counter)
		})
	}
	f.letIn(t)
}

// huge is a ClientHello of some 20,000 bytes, all of them lawful.
func huge(t *testing.T, from peer) []byte {
	config := from.config()
	for i := range 100 {
		config.NextProtos = append(config.NextProtos, fmt.Sprintf("%0200d", i))
	}
	return hello(t, config)
}

// endless yields a ClientHello that says it has 16 MiB, record after record.
func endless() iter.Seq[[]byte] {
	const size = 1 << 14
	return func(yield func([]byte) bool) {
		record := append([]byte{22, 3, 1, size >> 8, size & 0xff, 1, 0xff, 0xff, 0xff, 3, 3}, make([]byte, size-6)...)
		for yield(record) {
			record = append([]byte{22, 3, 1, size >> 8, size & 0xff}, make([]byte, size)...)
		}
	}
}

// byByte yields the bytes of a text, and the last one but one for ever.
func byByte(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := 0; yield(text[i : i+1]); {
			i = min(i+1, len(text)-2)
		}
	}
}

// stream sends piece after piece until the gateway closes the connection.
func stream(address string, pieces iter.Seq[[]byte], every time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(closed))
	for piece := range pieces {
		if _, err := conn.Write(piece); err != nil {
			return "", err
		}
		if every > 0 {
			pause(every)
		}
	}
	return "", errors.New("the pieces ended")
}

// TestPagesForEverybody: whoever reaches the port for health checks learns whether the
// gateway is ready, and monitoring in the cluster how much it does. Nothing leads to the
// rest of what Envoy tells its administrator.
func TestPagesForEverybody(t *testing.T) {
	t.Parallel()
	f := newFortress(t)
	for _, port := range []int{15021, 15090} {
		for path, at := range map[string]int{
			"/healthz/ready": 15021, "/stats/prometheus": 15090, "/stats": 0, "/ready": 0, "/config_dump": 0, "/clusters": 0, "/certs": 0,
			"/listeners": 0, "/healthz/ready/../../config_dump": 0, "/stats/prometheus/../../config_dump": 0, "//config_dump": 0, "/": 0,
		} {
			want := http.StatusNotFound
			if at == port {
				want = http.StatusOK
			}
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				conn, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", f.gateway.ip, port), patience)
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.SetDeadline(time.Now().Add(patience))
				// By hand: a client would tidy the path.
				fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method, path)
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(response.Body)
				conn.Close()
				if got := response.StatusCode; got != want && (got != http.StatusMethodNotAllowed || method == http.MethodGet) {
					t.Errorf("%s %s at %d: %d, want %d", method, path, port, got, want)
				}
				if names := strings.Contains(string(text), "sample"); names != (port == 15090 && path == "/stats/prometheus" && response.StatusCode == http.StatusOK) {
					t.Errorf("%s %s at %d: it names a service: %v", method, path, port, names)
				}
			}
		}
	}
}

// TestManyStrangersAtOnce is a neighbour of H10: strangers by the hundred that begin and
// do not go on keep nobody out, and are all closed.
func TestManyStrangersAtOnce(t *testing.T) {
	t.Parallel()
	f := newFortress(t)
	f.letIn(t)
	before, half := f.quiet(), hello(t, f.friend.config())
	half = half[:len(half)/2]
	const strangers = 300
	var all sync.WaitGroup
	var wrong atomic.Int64
	begun := make(chan struct{}, strangers)
	for range strangers {
		all.Go(func() {
			conn, err := net.DialTimeout("tcp", f.friend.address, patience)
			begun <- struct{}{}
			if err != nil {
				wrong.Add(1)
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(2 * closed))
			_, _ = conn.Write(half)
			if told, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) || len(told) > 0 && told[0] != alert {
				wrong.Add(1)
			}
		})
	}
	for range strangers {
		<-begun
	}
	began := time.Now()
	if told, err := f.friend.greet(); told != f.pod.address {
		t.Errorf("beside them a member's gateway was told %q: %v", told, err)
	}
	t.Logf("figure: beside %d strangers a member's gateway was let in after %v", strangers, time.Since(began).Round(time.Millisecond))
	before["pod"]++
	before["cluster."+f.friend.sni+".upstream_cx_total"]++
	all.Wait()
	if wrong.Load() > 0 {
		t.Errorf("%d of %d were not closed without a word", wrong.Load(), strangers)
	}
	f.untouched(t, before)
}
