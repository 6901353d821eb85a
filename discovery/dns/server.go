package dns

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options are what a server runs with.
type Options struct {
	// Exempt are sources that no limit holds for, as the cluster's own DNS servers,
	// which ask on behalf of everybody; it is called often. Nil: there are none.
	Exempt func() []netip.Prefix
	Limits Limits
	Log    *slog.Logger
}

// Limits bound what one source can use up. Zero values are the defaults.
type Limits struct {
	// Rate is how many answers over UDP one source gets in a second, 1,000 by default;
	// Burst how many at once, as many by default.
	Rate, Burst int
	// Slip is which of the answers over the rate are sent empty and as truncated,
	// every second one by default. The others are dropped.
	Slip int
	// Connections there may be at a time, 1,000 by default; exempt sources may have as
	// many again. ConnectionsPerSource, 20 by default, is for each of the others.
	Connections, ConnectionsPerSource int
	// Idle is how long a connection may take to send a query; 5 s by default.
	Idle time.Duration
}

func (l Limits) withDefaults() Limits {
	out := Limits{
		Rate:                 cmp.Or(l.Rate, 1000),
		Slip:                 cmp.Or(l.Slip, 2),
		Connections:          cmp.Or(l.Connections, 1000),
		ConnectionsPerSource: cmp.Or(l.ConnectionsPerSource, 20),
		Idle:                 cmp.Or(l.Idle, 5*time.Second),
	}
	out.Burst = cmp.Or(l.Burst, out.Rate)
	return out
}

// Server answers for the zone that it was given last. It is safe for concurrent use.
type Server struct {
	options Options
	limiter *limiter
	open    *connections
	zone    atomic.Pointer[Zone]
	changed atomic.Pointer[time.Time]
	counts  counters
	// began is what moments are counted from, since clocks may be set.
	began time.Time
	// Each of these is logged now and then at most.
	overRate, faulty, refused seldom
}

// New returns a server without a zone: it answers everything by a failure.
func New(options Options) *Server {
	options.Limits = options.Limits.withDefaults()
	l := options.Limits
	return &Server{
		options: options, began: time.Now(), limiter: newLimiter(l.Rate, l.Burst),
		open: &connections{most: l.Connections, mostPerSource: l.ConnectionsPerSource, bySource: map[netip.Addr]int{}},
	}
}

// Set makes a zone the one that is answered from. It holds until the next one comes,
// however long that is.
func (s *Server) Set(zone *Zone) {
	if s.zone.Swap(zone) != zone {
		now := time.Now()
		s.changed.Store(&now)
	}
}

// Zone is the one that was set last; nil before there is one.
func (s *Server) Zone() *Zone { return s.zone.Load() }

// Ready is nil once there is a zone.
func (s *Server) Ready() error {
	if s.zone.Load() == nil {
		return errors.New("clusterset.local is not known yet")
	}
	return nil
}

// Stats are what was counted up to now.
func (s *Server) Stats() Stats {
	out := s.counts.stats()
	out.Connections = s.open.count()
	if at := s.changed.Load(); at != nil {
		out.Changed = *at
	}
	return out
}

// Serve answers what comes in at the sockets until ctx ends, and closes them. It
// fails where a socket does.
func (s *Server) Serve(ctx context.Context, sockets *Sockets) error {
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, sockets.Close)
	defer stop()
	defer sockets.Close()
	for _, socket := range sockets.udp {
		group.Go(func() error { return s.serveUDP(ctx, socket) })
	}
	group.Go(func() error { return s.serveTCP(ctx, sockets.tcp) })
	return group.Wait()
}

// answer is the answer to a message; empty where there is to be none. A fault of ours
// costs one answer and no more.
func (s *Server) answer(dst, message []byte, q *query, tcp bool) (out []byte, result code) {
	defer func() {
		if bug := recover(); bug != nil {
			if s.faulty.now(s.now()) {
				s.options.Log.Error("answer a DNS query", "panic", bug, "stack", string(debug.Stack()))
			}
			s.counts.dropped[dropBug].Add(1)
			out, result = nil, codeSilence
		}
	}()
	out, result = answer(dst, message, q, s.zone.Load(), tcp, rand.Uint32())
	if result == codeSilence {
		s.counts.dropped[dropMalformed].Add(1)
	}
	return out, result
}

// admits reports whether a source may have one more answer over UDP.
func (s *Server) admits(source netip.Addr) bool {
	if s.limiter.allow(source, s.now()) || s.exempt(source) {
		return true
	}
	if s.overRate.now(s.now()) {
		s.options.Log.Warn("a source of DNS queries is over its rate", "source", source.Unmap().String(), "rate", s.options.Limits.Rate)
	}
	return false
}

// slip is what stands for an answer that a source may not have, or nothing. The
// address of a source can be invented, so that it may go to somebody who never asked:
// it is no longer than what came in.
func (s *Server) slip(out []byte, q *query) []byte {
	hasQuestion := binary.BigEndian.Uint16(out[4:]) == 1
	if !hasQuestion || rand.IntN(s.options.Limits.Slip) != 0 {
		s.counts.dropped[dropRate].Add(1)
		return nil
	}
	s.counts.slipped.Add(1)
	out = out[:q.end]
	flags := binary.BigEndian.Uint16(out[2:])&(flagResponse|flagsCopied) | flagTruncated
	binary.BigEndian.PutUint16(out[2:], flags)
	clear(out[6:headerSize])
	return out
}

func (s *Server) exempt(source netip.Addr) bool {
	if s.options.Exempt == nil {
		return false
	}
	source = source.Unmap() // a socket for both families shows IPv4 as IPv6
	return slices.ContainsFunc(s.options.Exempt(), func(one netip.Prefix) bool { return one.Contains(source) })
}

// now is in nanoseconds since the server was made.
func (s *Server) now() int64 { return int64(time.Since(s.began)) }

// seldom is true once in a while.
type seldom struct{ next atomic.Int64 }

func (o *seldom) now(now int64) bool {
	next := o.next.Load()
	return now >= next && o.next.CompareAndSwap(next, now+int64(time.Minute))
}
