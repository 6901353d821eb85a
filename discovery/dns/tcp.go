package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// pause follows a failure to accept, as where there are no file descriptors left.
const pause = 100 * time.Millisecond

// serveTCP accepts connections until ctx ends, and waits for them.
func (s *Server) serveTCP(ctx context.Context, listener net.Listener) error {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		connection, err := listener.Accept()
		switch {
		case err == nil:
			s.admit(ctx, &group, connection)
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept DNS connections: %w", err)
		case s.refused.now(s.now()):
			s.options.Log.Warn("accept DNS connections", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// admit serves a connection if it is within the limits.
func (s *Server) admit(ctx context.Context, group *sync.WaitGroup, connection net.Conn) {
	source := sourceOf(connection)
	exempt := s.exempt(source)
	if !s.open.enter(source, exempt) {
		s.counts.dropped[dropConnections].Add(1)
		_ = connection.Close() // nothing was said on it
		return
	}
	group.Go(func() {
		defer s.open.leave(source, exempt)
		stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
		defer stop()
		defer func() { _ = connection.Close() }()
		s.converse(connection)
	})
}

func sourceOf(connection net.Conn) netip.Addr {
	address, _ := netip.ParseAddrPort(connection.RemoteAddr().String())
	return address.Addr()
}

// prefix is the length in front of each message over TCP.
const prefix = 2

// buffers are what a connection needs while a message is under way, and only then:
// an idle one costs next to nothing. The one for answers grows as they need it.
type buffers struct {
	query query
	in    [mostQuery]byte
	out   []byte
}

var pool = sync.Pool{New: func() any { return &buffers{out: make([]byte, 0, mostDatagram)} }}

// converse answers the queries of a connection until it ends, is idle, or says what
// is no query.
func (s *Server) converse(connection net.Conn) {
	var length [prefix]byte
	for {
		// The time is that of a whole query, so that bytes that drip in gain nothing.
		if connection.SetDeadline(time.Now().Add(s.options.Limits.Idle)) != nil {
			return
		}
		if _, err := io.ReadFull(connection, length[:]); err != nil {
			return
		}
		if !s.exchange(connection, int(binary.BigEndian.Uint16(length[:]))) {
			return
		}
	}
}

// exchange reads a query and sends its answer; it is false where the connection is of
// no more use.
func (s *Server) exchange(connection net.Conn, length int) bool {
	if length > mostQuery {
		s.counts.dropped[dropMalformed].Add(1)
		return false
	}
	b, _ := pool.Get().(*buffers)
	defer pool.Put(b)
	if _, err := io.ReadFull(connection, b.in[:length]); err != nil {
		return false
	}
	out, result := s.answer(b.out[:0], b.in[:length], &b.query, true)
	if len(out) == 0 {
		return false
	}
	b.out = out
	if connection.SetWriteDeadline(time.Now().Add(s.options.Limits.Idle)) != nil {
		return false
	}
	var before [prefix]byte
	binary.BigEndian.PutUint16(before[:], uint16(len(out)))
	whole := net.Buffers{before[:], out}
	if _, err := whole.WriteTo(connection); err != nil {
		s.counts.dropped[dropWrite].Add(1)
		return false
	}
	s.counts.answered(true, &b.query, result, out)
	return true
}
