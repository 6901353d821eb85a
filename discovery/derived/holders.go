package derived

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// holders are the claims to ports of the gateway that count: one for each port. Whoever
// had a port before keeps it as long as it claims it. Claims are read from Services, and
// those of one namespace may be edited by people who must not reach into another.
type holders struct {
	// claims are what each Service claims, those that do not count among it.
	claims map[types.NamespacedName]map[model.PortKey]uint16
	ports  map[model.PortKey]uint16
	taken  portSet
	owner  map[uint16]model.PortKey
	// denied are claims to ports that others have, of which there are few.
	denied map[model.PortKey]uint16
	// shown is what was handed on last; nil where that is not how it is any more.
	shown *holding
}

// holding is who had which port at one moment. It is not changed.
type holding struct {
	ports map[model.PortKey]uint16
	taken portSet
}

func newHolders() *holders {
	return &holders{
		claims: map[types.NamespacedName]map[model.PortKey]uint16{}, ports: map[model.PortKey]uint16{},
		owner: map[uint16]model.PortKey{}, denied: map[model.PortKey]uint16{},
	}
}

// now is who has which port. It is copied where that has changed, and only then.
func (h *holders) now() *holding {
	if h.shown == nil {
		h.shown = &holding{ports: maps.Clone(h.ports), taken: h.taken}
	}
	return h.shown
}

// claim takes the place of what a Service claimed before.
func (h *holders) claim(by types.NamespacedName, claims map[model.PortKey]uint16) {
	before := h.claims[by]
	if maps.Equal(before, claims) {
		return
	}
	if h.claims[by] = claims; len(claims) == 0 {
		delete(h.claims, by)
	}
	for _, key := range slices.SortedFunc(maps.Keys(before), model.PortKey.Compare) {
		if claims[key] != before[key] {
			h.release(key)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(claims), model.PortKey.Compare) {
		if claims[key] == before[key] {
			continue
		}
		if _, taken := h.owner[claims[key]]; taken {
			h.denied[key] = claims[key]
		} else {
			h.hold(key, claims[key])
		}
	}
}

func (h *holders) hold(key model.PortKey, number uint16) {
	h.ports[key], h.owner[number], h.shown = number, key, nil
	h.taken.add(number)
}

// release drops a claim. Of those that were denied the port the first one has it.
func (h *holders) release(key model.PortKey) {
	number, had := h.ports[key]
	if !had {
		delete(h.denied, key)
		return
	}
	delete(h.ports, key)
	delete(h.owner, number)
	h.taken.drop(number)
	h.shown = nil
	for _, next := range slices.SortedFunc(maps.Keys(h.denied), model.PortKey.Compare) {
		if h.denied[next] == number {
			delete(h.denied, next)
			h.hold(next, number)
			return
		}
	}
}
