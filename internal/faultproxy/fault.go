package faultproxy

import "time"

// Refuse closes all connections and takes no more, until Accept.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	_ = p.listener.Close()
	p.mu.Unlock()
	p.cut(false)
}

// Cut closes all connections that stand; new ones are taken.
func (p *Proxy) Cut() { p.cut(false) }

// Reset resets all connections that stand; new ones are taken.
func (p *Proxy) Reset() { p.cut(true) }

// ResetNew resets every connection as soon as it is made, or ceases to.
func (p *Proxy) ResetNew(resets bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resets = resets
}

func (p *Proxy) cut(resets bool) {
	p.mu.Lock()
	var all []*link
	for one := range p.links {
		all = append(all, one)
	}
	p.mu.Unlock()
	for _, one := range all {
		one.close(resets)
	}
}

// Freeze lets no more bytes through, and keeps connections open.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

// Thaw ends Freeze.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// Delay has all bytes come so much later, each way.
func (p *Proxy) Delay(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = by
}

// Rate bounds the bytes that pass each second, on each connection and each way; 0
// bounds nothing.
func (p *Proxy) Rate(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytes
}

// CutAfter resets the connection on which that many more bytes of answers have come.
// It happens once.
func (p *Proxy) CutAfter(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = bytes
}
