package publish

import (
	"cmp"
	"context"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Limits bound what clients may use. Zero values are the defaults, which leave
// room for twice the thousand gateways that one agent is made for, all of them
// coming back at once.
type Limits struct {
	// MessageBytes a request may have; 4 MiB by default.
	MessageBytes int
	// Names that one stream may ask for by name, per type; 50,000 by default.
	Names int
	// StreamsPerIdentity at a time; 2,048 by default.
	StreamsPerIdentity int
	// StreamsPerConnection at a time; 100 by default. A gateway needs one.
	StreamsPerConnection int
	// StreamRate is how many streams may begin in a second, 1,000 by default, and
	// StreamBurst how many at once, 500 by default.
	StreamRate, StreamBurst int
	// StreamQueue is how many may wait for their turn, 4,096 by default, and
	// StreamWait how long, 10 s by default.
	StreamQueue int
	StreamWait  time.Duration
	// Drain is how long a stop waits for answers under way; 10 s by default.
	Drain time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MessageBytes:         cmp.Or(l.MessageBytes, 4<<20),
		Names:                cmp.Or(l.Names, 50_000),
		StreamsPerIdentity:   cmp.Or(l.StreamsPerIdentity, 2048),
		StreamsPerConnection: cmp.Or(l.StreamsPerConnection, 100),
		StreamRate:           cmp.Or(l.StreamRate, 1000),
		StreamBurst:          cmp.Or(l.StreamBurst, 500),
		StreamQueue:          cmp.Or(l.StreamQueue, 4096),
		StreamWait:           cmp.Or(l.StreamWait, 10*time.Second),
		Drain:                cmp.Or(l.Drain, 10*time.Second),
	}
}

// gate lets streams in at a bounded rate; those too early wait in a queue.
type gate struct {
	rate  *rate.Limiter
	queue chan struct{}
	wait  time.Duration
}

func newGate(l Limits) *gate {
	return &gate{
		rate:  rate.NewLimiter(rate.Limit(l.StreamRate), l.StreamBurst),
		queue: make(chan struct{}, l.StreamQueue), wait: l.StreamWait,
	}
}

// enter waits for the stream's turn.
func (g *gate) enter(ctx context.Context) error {
	if g.rate.Allow() {
		return nil
	}
	select {
	case g.queue <- struct{}{}:
		defer func() { <-g.queue }()
	default:
		return errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	if err := g.rate.Wait(ctx); err != nil {
		return errBusy
	}
	return nil
}

var (
	errBusy       = status.Error(codes.ResourceExhausted, "too many streams begin at once; try again")
	errTooMany    = status.Error(codes.ResourceExhausted, "too many streams of this identity")
	errNotServed  = status.Error(codes.PermissionDenied, "the identity is not served here")
	errNoIdentity = status.Error(codes.Unauthenticated, "no identity was proved")
)

// admit decides whether a stream may begin, by the identity alone: nothing has
// been read from it yet.
func (p *Publisher) admit(ctx context.Context) (string, model.MemberName, error) {
	identity, err := identityOf(ctx)
	if err != nil {
		p.reject("unauthenticated")
		return "", "", err
	}
	member, served := p.options.Member(identity)
	if !served {
		p.reject("identity")
		return "", "", errNotServed
	}
	if err := p.claim(identity); err != nil {
		p.reject("streams")
		return "", "", err
	}
	if err := p.gate.enter(ctx); err != nil {
		p.release(identity)
		p.reject("rate")
		return "", "", err
	}
	return identity, member, nil
}

// claim counts a stream of an identity, those in the queue included.
func (p *Publisher) claim(identity string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[identity] >= p.options.Limits.StreamsPerIdentity {
		return errTooMany
	}
	p.streams[identity]++
	return nil
}

func (p *Publisher) release(identity string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[identity]--; p.streams[identity] == 0 {
		delete(p.streams, identity)
	}
}
