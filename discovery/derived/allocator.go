package derived

import (
	"math/bits"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Ports of the gateway that lead to ports of services. They stay clear of the
// ports of the gateway itself, and of the range of node ports.
const (
	firstPort = 20000
	lastPort  = 29999
)

// portSet is a set of ports from firstPort to lastPort.
type portSet [(lastPort-firstPort)/64 + 1]uint64

func (p *portSet) add(port uint16)  { p[(port-firstPort)/64] |= 1 << ((port - firstPort) % 64) }
func (p *portSet) drop(port uint16) { p[(port-firstPort)/64] &^= 1 << ((port - firstPort) % 64) }
func (p *portSet) has(port uint16) bool {
	return p[(port-firstPort)/64]&(1<<((port-firstPort)%64)) != 0
}

// lowestFree is the lowest port that neither set has; 0 where there is none.
func lowestFree(a, b *portSet) uint16 {
	for i := range a {
		if free := ^(a[i] | b[i]); free != 0 {
			port := firstPort + 64*i + bits.TrailingZeros64(free)
			if port > lastPort {
				return 0
			}
			return uint16(port)
		}
	}
	return 0
}

// allocator gives out ports of the gateway. It remembers what it gave, as the cluster's
// own copy of what was just written may lag behind. What the cluster says wins.
type allocator struct {
	seen *holding
	// given is by service, then by the port of the service.
	given map[model.ServiceKey]map[uint16]uint16
	taken portSet
	owner map[uint16]model.PortKey
}

func newAllocator() *allocator {
	return &allocator{seen: &holding{}, given: map[model.ServiceKey]map[uint16]uint16{}, owner: map[uint16]model.PortKey{}}
}

// has is the port that leads to a port of a service; 0 where there is none. One that was
// given, and that the cluster says another service has, is lost.
func (a *allocator) has(key model.PortKey) uint16 {
	if port, seen := a.seen.ports[key]; seen {
		return port
	}
	port := a.given[key.Service][key.Number]
	if port == 0 || a.owner[port] != key || a.seen.taken.has(port) {
		return 0
	}
	return port
}

// take gives out the lowest port that nobody has; 0 where none is left.
func (a *allocator) take(key model.PortKey) uint16 {
	port := lowestFree(&a.taken, &a.seen.taken)
	if port != 0 {
		a.own(key, port)
	}
	return port
}

// exhausted is true where no port is left.
func (a *allocator) exhausted() bool { return lowestFree(&a.taken, &a.seen.taken) == 0 }

func (a *allocator) own(key model.PortKey, port uint16) {
	a.owner[port] = key
	a.taken.add(port)
}

// remember keeps what a service has now, and gives back what it had besides.
func (a *allocator) remember(of model.ServiceKey, ports []servicePort) {
	now := map[uint16]uint16{}
	for _, port := range ports {
		if port.target != 0 {
			now[port.Number] = port.target
		}
	}
	for number, port := range a.given[of] {
		if key := (model.PortKey{Service: of, Number: number}); now[number] != port && a.owner[port] == key {
			delete(a.owner, port)
			a.taken.drop(port)
		}
	}
	for number, port := range now {
		a.own(model.PortKey{Service: of, Number: number}, port)
	}
	if a.given[of] = now; len(now) == 0 {
		delete(a.given, of)
	}
}
