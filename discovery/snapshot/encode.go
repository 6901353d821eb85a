package snapshot

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Shards are those of all members.
type Shards = map[model.MemberName]*model.Shard

// Content is what a file holds.
type Content struct {
	Shards Shards
	// Incumbents are the members that had their way, by service.
	Incumbents map[model.ServiceKey]model.MemberName
}

// encoder appends values. A text is written once; after that its number stands
// for it.
type encoder struct {
	out   []byte
	known map[string]uint64
}

// encode returns the payload of a file. Equal contents give equal bytes.
func encode(content *Content) []byte {
	e := &encoder{known: map[string]uint64{}}
	e.number(len(content.Shards))
	for _, name := range slices.Sorted(maps.Keys(content.Shards)) {
		e.member(content.Shards[name].Member)
		e.offers(&content.Shards[name].Services)
	}
	e.number(len(content.Incumbents))
	for _, key := range slices.SortedFunc(maps.Keys(content.Incumbents), model.ServiceKey.Compare) {
		e.text(key.Namespace)
		e.text(key.Name)
		e.text(string(content.Incumbents[key]))
	}
	return e.out
}

func (e *encoder) number(value int) { e.out = binary.AppendUvarint(e.out, uint64(value)) }

func (e *encoder) byte(value uint8) { e.out = append(e.out, value) }

func (e *encoder) text(value string) {
	if number, found := e.known[value]; found {
		e.out = binary.AppendUvarint(e.out, number)
		return
	}
	e.known[value] = uint64(len(e.known)) + 1
	e.number(0)
	e.number(len(value))
	e.out = append(e.out, value...)
}

func (e *encoder) flag(value bool) {
	if value {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

// member leaves out what the member's record says anew.
func (e *encoder) member(m *model.Member) {
	for _, text := range []string{string(m.Name), string(m.ID), string(m.Network), m.Region, m.UID, m.Identity} {
		e.text(text)
	}
	e.number(len(m.Gateways))
	for _, gateway := range m.Gateways {
		e.text(gateway.Host)
		e.number(int(gateway.Port))
		e.text(gateway.Name)
	}
	e.byte(uint8(m.State))
	e.flag(m.Demoted)
}

func (e *encoder) offers(offers *model.Offers) {
	e.number(offers.Len())
	byKey := func(a, b *model.Offer) int { return a.Key.Compare(b.Key) }
	for _, offer := range slices.SortedFunc(offers.All(), byKey) {
		e.text(offer.Key.Namespace)
		e.text(offer.Key.Name)
		e.byte(uint8(offer.Type))
		e.byte(uint8(offer.By))
		e.out = binary.AppendVarint(e.out, offer.Exported.Unix())
		e.text(string(offer.Incumbent))
		e.number(int(offer.Share.Weight))
		e.flag(offer.Share.Drained)
		e.traits(&offer.Traits)
		e.ports(offer.Ports)
		e.number(len(offer.Slices))
		for _, slice := range slices.SortedFunc(slices.Values(offer.Slices), compareSlices) {
			e.slice(slice)
		}
	}
}

func (e *encoder) traits(traits *model.Traits) {
	e.flag(traits.ClientIP)
	e.number(int(traits.AffinitySeconds))
	e.text(traits.InternalTrafficPolicy)
	e.text(traits.TrafficDistribution)
	e.text(string(traits.Prefer))
	e.number(len(traits.Families))
	for _, family := range traits.Families {
		e.text(string(family))
	}
	e.texts(traits.Labels)
	e.texts(traits.Annotations)
}

func (e *encoder) texts(values map[string]string) {
	e.number(len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		e.text(key)
		e.text(values[key])
	}
}

func compareSlices(a, b *model.Slice) int { return cmp.Compare(a.Name, b.Name) }

func (e *encoder) ports(ports []model.Port) {
	e.number(len(ports))
	for _, port := range ports {
		e.text(port.Name)
		e.text(port.AppProtocol)
		e.number(int(port.Number))
		e.byte(uint8(port.Protocol))
	}
}

func (e *encoder) slice(slice *model.Slice) {
	e.text(slice.Name)
	e.ports(slice.Ports)
	e.number(slice.Endpoints.Len())
	for _, endpoint := range slice.Endpoints.All() {
		address := endpoint.Addr.AsSlice()
		e.byte(uint8(len(address)))
		e.out = append(e.out, address...)
		e.text(endpoint.Zone.Value())
		e.byte(uint8(endpoint.Health))
	}
	e.number(len(slice.Hostnames))
	for _, name := range slice.Hostnames {
		e.text(name)
	}
}
