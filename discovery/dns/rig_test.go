package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// patience bounds what has to come.
const patience = 10 * time.Second

// rig is a server on a port of this host.
type rig struct {
	*Server
	address netip.AddrPort
	logged  *logged
	// stop ends serving and waits for its end.
	stop func()
}

// start serves the zone, if there is one; change edits the options.
func start(t testing.TB, zone *Zone, change func(*Options)) *rig {
	t.Helper()
	lines := &logged{}
	options := Options{Log: slog.New(slog.NewTextHandler(lines, nil))}
	if change != nil {
		change(&options)
	}
	r := &rig{Server: New(options), logged: lines}
	if zone != nil {
		r.Set(zone)
	}
	sockets := listen(t)
	r.address = netip.MustParseAddrPort(sockets.Address())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, sockets) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(patience):
			t.Error("serving does not end")
		}
	})
	t.Cleanup(r.stop)
	return r
}

// listen opens a port that nobody else has, by UDP and by TCP.
func listen(t testing.TB) *Sockets {
	t.Helper()
	for {
		sockets, err := Listen(t.Context(), "127.0.0.1:0")
		if err == nil {
			return sockets
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

// logged collects what is logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) lines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte("\n"))
}

// client asks from an address of this host.
type client struct {
	t    testing.TB
	conn net.Conn
}

func (r *rig) udp(t testing.TB, source string) *client {
	t.Helper()
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 0)), net.UDPAddrFromAddrPort(r.address))
	return newClient(t, conn, err)
}

func (r *rig) tcp(t testing.TB, source string) *client {
	t.Helper()
	conn, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 0)), net.TCPAddrFromAddrPort(r.address))
	return newClient(t, conn, err)
}

func newClient(t testing.TB, conn net.Conn, err error) *client {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: conn}
}

func (c *client) isTCP() bool {
	_, tcp := c.conn.(*net.TCPConn)
	return tcp
}

// send sends a message as it is.
func (c *client) send(message []byte) {
	c.t.Helper()
	if c.isTCP() {
		message = append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
	}
	if _, err := c.conn.Write(message); err != nil {
		c.t.Fatal(err)
	}
}

// receive is the next message; an error says that there is none.
func (c *client) receive() ([]byte, error) {
	buffer := make([]byte, mostMessage)
	if !c.isTCP() {
		length, err := c.conn.Read(buffer)
		return buffer[:length], err
	}
	if _, err := io.ReadFull(c.conn, buffer[:2]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint16(buffer)
	_, err := io.ReadFull(c.conn, buffer[:length])
	return buffer[:length], err
}

// ask sends a message and wants an answer.
func (c *client) ask(message []byte) *dns.Msg {
	c.t.Helper()
	c.send(message)
	answered, err := c.receive()
	if err != nil {
		c.t.Fatal(err)
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(answered); err != nil {
		c.t.Fatalf("the answer cannot be read: %v", err)
	}
	return reply
}

// packed is a message as sent.
func packed(t testing.TB, message *dns.Msg) []byte {
	t.Helper()
	out, err := message.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }
