package dns

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestConnections fills up what one source may have, then what all may have. Exempt
// sources are served all the same, and what was given back can be had again.
func TestConnections(t *testing.T) {
	t.Parallel()
	r := start(t, Make(nil, newMesh().source(), nil), limits("127.0.0.9/32", func(l *Limits) { l.Connections, l.ConnectionsPerSource = 3, 2 }))
	message := packed(t, question(web, dns.TypeA))
	served := func(source string) (*client, bool) {
		to := r.tcp(t, source)
		if _, err := to.conn.Write(append([]byte{0, byte(len(message))}, message...)); err != nil {
			return to, false
		}
		_, err := to.receive()
		return to, err == nil
	}
	var open []*client
	var got []bool
	for _, source := range []string{"127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.9", "127.0.0.9", "127.0.0.9", "127.0.0.9"} {
		to, ok := served(source)
		open, got = append(open, to), append(got, ok)
	}
	if diff := cmp.Diff([]bool{true, true, false, true, false, true, true, true, false}, got); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
	if stats := r.Stats(); stats.Connections != 6 || stats.Dropped[DropConnections] != 3 {
		t.Errorf("%d connections are open and %d were refused, want 6 and 3", stats.Connections, stats.Dropped[DropConnections])
	}
	_ = open[0].conn.Close()
	waitFor(t, func() bool { return r.Stats().Connections == 5 })
	if _, ok := served("127.0.0.2"); !ok {
		t.Error("what was given back cannot be had again")
	}
}

// TestSlowConnections ends those that take too long over a query, whether they send
// nothing or drip. One that asks goes on.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	const idle = 1500 * time.Millisecond // long enough for a busy host
	r := start(t, Make(nil, newMesh().source(), nil), limits("127.0.0.9/32", func(l *Limits) { l.Idle = idle }))
	silent, dripping, asking := r.tcp(t, "127.0.0.2"), r.tcp(t, "127.0.0.2"), r.tcp(t, "127.0.0.3")
	message := packed(t, question(web, dns.TypeA))
	began := time.Now()
	drip := time.NewTicker(idle / 8)
	defer drip.Stop()
	for at, dripped := 0, append([]byte{0, byte(len(message))}, message...); at < len(dripped); at++ {
		<-drip.C
		if reply := asking.ask(message); len(reply.Answer) != 1 {
			t.Fatalf("the one that asks: %v", reply)
		}
		if _, err := dripping.conn.Write(dripped[at : at+1]); err != nil {
			break
		}
		if at == len(dripped)-1 {
			t.Error("a whole query dripped in")
		}
	}
	if time.Since(began) < idle {
		t.Errorf("a connection ended after %s, within the time it has", time.Since(began))
	}
	if _, err := silent.receive(); !errors.Is(err, io.EOF) {
		t.Errorf("the silent one got %v", err)
	}
}

// TestPipelines answers what comes at once on one connection, in order.
func TestPipelines(t *testing.T) {
	t.Parallel()
	r := start(t, Make(nil, newMesh().source(), nil), nil)
	to := r.tcp(t, "127.0.0.1")
	for id := range uint16(50) {
		asked := question(web, dns.TypeA)
		asked.Id = id
		to.send(packed(t, asked))
	}
	for id := range uint16(50) {
		message, err := to.receive()
		reply := new(dns.Msg)
		if err != nil || reply.Unpack(message) != nil || reply.Id != id || len(reply.Answer) != 1 {
			t.Fatalf("answer %d: %v %v", id, err, reply)
		}
	}
	to.send(make([]byte, mostQuery+1))
	if _, err := to.receive(); err == nil {
		t.Error("a query that is too long is answered")
	}
}
