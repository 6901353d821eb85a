package dns

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// limiter bounds how many answers a source gets in a second. Sources share a fixed
// number of cells, so that no flood from invented ones can make it grow; two sources
// in one cell share what is allowed.
type limiter struct {
	seed maphash.Seed
	// each is the time that one answer takes up, burst how far a source may be ahead.
	each, burst int64
	// cells are the moments at which a source's answers are paid off.
	cells [cells]atomic.Int64
}

// cells is half a megabyte of them.
const cells = 1 << 16

func newLimiter(perSecond, burst int) *limiter {
	each := int64(time.Second) / int64(perSecond)
	return &limiter{seed: maphash.MakeSeed(), each: each, burst: each * int64(burst)}
}

// allow reports whether a source may have an answer at a moment, in nanoseconds
// since any fixed one.
func (l *limiter) allow(source netip.Addr, now int64) bool {
	address := source.As16()
	cell := &l.cells[maphash.Bytes(l.seed, address[:])%cells]
	for {
		paid := cell.Load()
		next := max(paid, now) + l.each
		if next-now > l.burst {
			return false
		}
		if cell.CompareAndSwap(paid, next) {
			return true
		}
	}
}
