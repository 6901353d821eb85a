package dns

import (
	"net/netip"
	"sync"
)

// connections bounds how many connections there are. Exempt sources have room of
// their own: nobody else can take it away from them.
type connections struct {
	most, mostPerSource int

	// mu guards what is below.
	mu           sync.Mutex
	open, exempt int
	bySource     map[netip.Addr]int
}

// enter reports whether a source may have another connection.
func (c *connections) enter(source netip.Addr, exempt bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if exempt {
		if c.exempt >= c.most {
			return false
		}
		c.exempt++
		return true
	}
	if c.open >= c.most || c.bySource[source] >= c.mostPerSource {
		return false
	}
	c.open++
	c.bySource[source]++
	return true
}

// leave ends one that entered.
func (c *connections) leave(source netip.Addr, exempt bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if exempt {
		c.exempt--
		return
	}
	c.open--
	if c.bySource[source]--; c.bySource[source] == 0 {
		delete(c.bySource, source)
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open + c.exempt
}
