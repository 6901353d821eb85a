//go:build envoy

package envoytest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a client waits for anything.
const patience = 5 * time.Second

// session is an open connection to a pod that speaks first.
type session struct {
	conn   net.Conn
	reader *bufio.Reader
	// pod is its name.
	pod string
}

// dial opens a connection and reads the greeting.
func dial(address string) (*session, error) { return dialFrom("", address) }

// dialFrom dials from an address of its own; empty: any.
func dialFrom(from, address string) (*session, error) {
	dialer := net.Dialer{Timeout: patience}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, reader: bufio.NewReader(conn)}
	if s.pod, err = s.read(); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) read() (string, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	line, err := s.reader.ReadString('\n')
	return strings.TrimSpace(line), err
}

// echo is nil while the connection works.
func (s *session) echo() error {
	if _, err := fmt.Fprintln(s.conn, "one line"); err != nil {
		return err
	}
	line, err := s.read()
	if err == nil && line != "one line" {
		err = fmt.Errorf("got %q back", line)
	}
	return err
}

// open is a connection for as long as the test runs. Where to says so, it is to
// one of these pods.
func open(t *testing.T, address string, to ...*pod) *session {
	t.Helper()
	var found *session
	await(t, "connection to "+address, 20*time.Second, func() error {
		s, err := dial(address)
		if err != nil {
			return err
		}
		if len(to) > 0 && !slices.ContainsFunc(to, func(p *pod) bool { return p.address == s.pod }) {
			s.conn.Close()
			return fmt.Errorf("led to %s", s.pod)
		}
		found = s
		return nil
	})
	t.Cleanup(func() { found.conn.Close() })
	return found
}

// greet is the name of the pod that a new connection leads to.
func greet(address string) (string, error) { return greetFrom("", address) }

// greetFrom is greet for a client with an address of its own.
func greetFrom(from, address string) (string, error) {
	s, err := dialFrom(from, address)
	if err != nil {
		return "", err
	}
	s.conn.Close()
	return s.pod, nil
}

// reach waits until a connection leads to a pod.
func reach(t *testing.T, address string, to *pod) {
	t.Helper()
	open(t, address, to).conn.Close()
}

// shares counts where n connections lead to; errors count as theirs.
func shares(n int, once func() (string, error)) map[string]int {
	counts := map[string]int{}
	for range n {
		name, err := once()
		if err != nil {
			name = "error"
		}
		counts[name]++
	}
	return counts
}

// caller makes requests over one connection.
type caller struct {
	http.Client
	address string
	grpc    bool
	dialled atomic.Int64
}

// newCaller speaks HTTP/2 in clear, or HTTP/1.1.
func newCaller(t *testing.T, address string, http2 bool) *caller {
	c := &caller{address: address, grpc: http2}
	transport := &http.Transport{
		MaxConnsPerHost: 1, Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c.dialled.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	c.Client = http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	return c
}

// call is the name of the pod that answered.
func (c *caller) call() (string, error) {
	request, err := http.NewRequest(http.MethodPost, "http://"+c.address+"/sample.Hello/Say", strings.NewReader("hello"))
	if err != nil {
		return "", err
	}
	if c.grpc {
		request.Header.Set("content-type", "application/grpc")
		request.Header.Set("te", "trailers")
	}
	response, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "", err
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s: %s", response.Status, text)
	case response.Header.Get("leaked") != "":
		return "", fmt.Errorf("the pod saw %s", response.Header.Get("leaked"))
	case c.grpc && response.Trailer.Get("grpc-status") != "0":
		return "", fmt.Errorf("trailers %v", response.Trailer)
	}
	return string(text), nil
}

// prober does the same thing over and over until it is stopped.
type prober struct {
	// total and failed count since its start.
	total, failed atomic.Int64

	mu     sync.Mutex // guards counts, errors and last
	last   error
	counts map[string]int
	errors []error
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// probe does one thing every ten milliseconds.
func probe(t *testing.T, once func() (string, error)) *prober {
	ctx, cancel := context.WithCancel(context.Background())
	p := &prober{counts: map[string]int{}, cancel: cancel}
	p.work.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			name, err := once()
			p.note(name, err)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *prober) note(name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total.Add(1)
	if err != nil {
		p.failed.Add(1)
		p.last = err
		p.errors = append(p.errors, err)
		return
	}
	p.counts[name]++
}

// lastError is what failed last.
func (p *prober) lastError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// take is what was seen since the last take.
func (p *prober) take() (counts map[string]int, errors []error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts, errors = p.counts, p.errors
	p.counts, p.errors = map[string]int{}, nil
	return counts, errors
}

// stop ends it and is take.
func (p *prober) stop() (counts map[string]int, errors []error) {
	p.cancel()
	p.work.Wait()
	return p.take()
}
