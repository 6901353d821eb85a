package publish

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// open takes a session in.
func (p *Publisher) open(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions[s] = struct{}{}
	p.stats.Opened++
}

// close forgets a session. The server has ended its watches by then, so that
// nothing is sent to it any more.
func (p *Publisher) close(s *session) {
	node := p.forget(s)
	if node != nil {
		p.options.Log.Info("gateway disconnected", "node", node.GetId(), "identity", s.identity)
	}
}

func (p *Publisher) forget(s *session) *corev3.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
	for _, u := range s.subscriptions {
		if u != nil {
			u.closeLocked()
		}
	}
	p.settledLocked()
	return s.node
}

// greeted notes who is at the other end.
func (p *Publisher) greeted(s *session, node *corev3.Node) {
	p.mu.Lock()
	s.node = node
	p.mu.Unlock()
	p.options.Log.Info("gateway connected", "node", node.GetId(), "identity", s.identity, "address", s.address)
}

// countLocked counts an answer that goes on its way.
func (p *Publisher) countLocked(b *body) {
	p.unacked++
	p.stats.Responses++
	p.stats.Resources += len(b.resources)
	p.stats.Removed += len(b.removed)
	p.stats.Bytes += b.bytes
}

// settledLocked tells who waits for it that no answer is under way. It is asked
// only after what an acknowledgement lets go has gone.
func (p *Publisher) settledLocked() {
	if p.unacked == 0 && p.settled != nil {
		close(p.settled)
		p.settled = nil
	}
}

// settle is closed as soon as no answer is under way.
func (p *Publisher) settle() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled != nil {
		return p.settled
	}
	settled := make(chan struct{})
	if p.unacked == 0 {
		close(settled)
		return settled
	}
	p.settled = settled
	return settled
}

// reject counts a stream or connection that was turned away.
func (p *Publisher) reject(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Rejected[reason]++
}

func (p *Publisher) unknownType() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.UnknownTypes++
}
