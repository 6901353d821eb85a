// Package balancer gives Services of type LoadBalancer an address: it takes
// one from the cluster's own range, puts it on the node's link and writes it to
// the Service's status. The rest, source ranges included, is kube-proxy's work.
package balancer

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrExhausted means that every address of the range is taken.
var ErrExhausted = errors.New("no address left")

// Pool hands out the addresses of one range. An address belongs to at most one
// Service, and a Service keeps the one it has.
type Pool struct {
	prefix netip.Prefix
	owners map[netip.Addr]string
}

// NewPool makes a pool of every address in the range.
func NewPool(cidr string) (*Pool, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return nil, fmt.Errorf("range of addresses: %w", err)
	}
	return &Pool{prefix: prefix.Masked(), owners: map[netip.Addr]string{}}, nil
}

// Assign returns the address of the service with this key. It prefers the one
// asked for, then the one the service had; an address outside the range, or one
// that another service has, is refused.
func (p *Pool) Assign(key, asked, had string) (netip.Addr, error) {
	if asked != "" {
		return p.take(key, asked)
	}
	if addr, ok := p.Of(key); ok {
		return addr, nil
	}
	if addr, err := p.take(key, had); err == nil {
		return addr, nil
	}
	for addr := p.prefix.Addr(); p.prefix.Contains(addr); addr = addr.Next() {
		if _, taken := p.owners[addr]; !taken {
			p.owners[addr] = key
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("range %s: %w", p.prefix, ErrExhausted)
}

// Of is the address the service has.
func (p *Pool) Of(key string) (netip.Addr, bool) {
	for addr, owner := range p.owners {
		if owner == key {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// Release takes the service's addresses back, all but the one it keeps.
func (p *Pool) Release(key string, but netip.Addr) {
	for addr, owner := range p.owners {
		if owner == key && addr != but {
			delete(p.owners, addr)
		}
	}
}

// Taken lists the addresses in use.
func (p *Pool) Taken() map[netip.Addr]string { return p.owners }

// Contains says whether the address is one of the range.
func (p *Pool) Contains(addr netip.Addr) bool { return p.prefix.Contains(addr) }

func (p *Pool) take(key, text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("address %q: %w", text, err)
	}
	if !p.prefix.Contains(addr) {
		return netip.Addr{}, fmt.Errorf("address %s is not in the range %s", addr, p.prefix)
	}
	if owner, taken := p.owners[addr]; taken && owner != key {
		return netip.Addr{}, fmt.Errorf("address %s belongs to %s", addr, owner)
	}
	p.owners[addr] = key
	p.Release(key, addr)
	return addr, nil
}
