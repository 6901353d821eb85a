package faultproxy

import (
	"net"
	"sync"
	"time"
)

// link is a client's connection and the one to the server that belongs to it.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	once           sync.Once
	done           chan struct{}
}

// piece is bytes on their way, which must not arrive before they are due.
type piece struct {
	bytes []byte
	due   time.Time
}

// underWay bounds the pieces of one direction.
const underWay = 1024

func (l *link) run() {
	var both sync.WaitGroup
	both.Go(func() { l.pass(l.client, l.server, true) })
	both.Go(func() { l.pass(l.server, l.client, false) })
	both.Wait()
}

func (l *link) close(resets bool) {
	l.once.Do(func() {
		close(l.done)
		if resets {
			reset(l.client)
		}
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

// reset has the peer see a reset and no orderly end.
func reset(conn net.Conn) {
	if tcp, is := conn.(*net.TCPConn); is {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// pass reads ahead of what it writes, so that a delay costs no throughput.
func (l *link) pass(to, from net.Conn, answers bool) {
	queue := make(chan piece, underWay)
	var writer sync.WaitGroup
	writer.Go(func() {
		for one := range queue {
			if !l.deliver(to, one, answers) {
				l.close(false)
			}
		}
		l.close(false)
	})
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			l.proxy.mu.Lock()
			due := time.Now().Add(l.proxy.delay)
			l.proxy.mu.Unlock()
			queue <- piece{append([]byte(nil), buffer[:n]...), due}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	writer.Wait()
}

// deliver writes a piece when it is due and the gate is open. It is false once
// nothing can be written any more.
func (l *link) deliver(to net.Conn, one piece, answers bool) bool {
	p := l.proxy
	p.mu.Lock()
	gate, rate := p.gate, p.rate
	p.mu.Unlock()
	select {
	case <-gate:
	case <-l.done:
		return false
	}
	if !l.wait(time.Until(one.due)) {
		return false
	}
	bytes, cut := one.bytes, false
	if answers {
		bytes, cut = p.upToCut(bytes)
	}
	_, err := to.Write(bytes)
	if cut {
		l.close(true)
	}
	if rate > 0 && !l.wait(time.Duration(len(bytes))*time.Second/time.Duration(rate)) {
		return false
	}
	return err == nil && !cut
}

// upToCut returns the bytes that pass, and whether the connection ends with them.
func (p *Proxy) upToCut(bytes []byte) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.left < 0:
		return bytes, false
	case len(bytes) < p.left:
		p.left -= len(bytes)
		return bytes, false
	}
	bytes, p.left = bytes[:p.left], -1
	return bytes, true
}

// wait is false where the link ended meanwhile.
func (l *link) wait(span time.Duration) bool {
	if span <= 0 {
		return true
	}
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.done:
		return false
	}
}
