package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
	"unique"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// errPayload is a payload that no encoder made.
var errPayload = errors.New("the content makes no sense")

// decoder reads values. After the first one that does not fit, all others are
// zero, and err says why.
type decoder struct {
	rest  []byte
	known []string
	err   error
}

// decode reads the payload of a file.
func decode(payload []byte) (*Content, error) {
	d := &decoder{rest: payload}
	content := &Content{Shards: Shards{}, Incumbents: map[model.ServiceKey]model.MemberName{}}
	shards := content.Shards
	for range d.count() {
		shard := &model.Shard{Member: d.member(), Services: d.offers()}
		if _, twice := shards[shard.Member.Name]; twice {
			d.fail("a member comes twice")
		}
		if d.err != nil {
			return nil, d.err
		}
		shards[shard.Member.Name] = shard
	}
	for range d.count() {
		key := model.ServiceKey{Namespace: d.text(), Name: d.text()}
		content.Incumbents[key] = model.MemberName(d.text())
	}
	if len(d.rest) > 0 {
		d.fail("something follows its end")
	}
	if d.err != nil {
		return nil, d.err
	}
	return content, nil
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", errPayload, why)
	}
	d.rest = nil
}

func (d *decoder) unsigned() uint64 {
	value, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail("a number is cut off")
		return 0
	}
	d.rest = d.rest[size:]
	return value
}

// count reads how many values follow. Each takes a byte at least, so that no
// count makes the reader reserve more than a multiple of what is there.
func (d *decoder) count() int {
	value := d.unsigned()
	if value > uint64(len(d.rest)) {
		d.fail("more is promised than there is")
		return 0
	}
	return int(value)
}

func (d *decoder) bytes(size int) []byte {
	if size > len(d.rest) {
		d.fail("it is cut off")
		return nil
	}
	value := d.rest[:size]
	d.rest = d.rest[size:]
	return value
}

// word reads a byte that is one of a few values.
func (d *decoder) word(most uint8) uint8 {
	value := d.bytes(1)
	if value == nil || value[0] > most {
		d.fail("a value is not one that is known")
		return 0
	}
	return value[0]
}

func (d *decoder) port() uint16 {
	value := d.unsigned()
	if value > 65535 {
		d.fail("a port is none")
	}
	return uint16(value)
}

func (d *decoder) text() string {
	number := d.unsigned()
	switch {
	case number > uint64(len(d.known)):
		d.fail("a text is missing")
		return ""
	case number > 0:
		return d.known[number-1]
	}
	value := string(d.bytes(d.count()))
	d.known = append(d.known, value)
	return value
}

func (d *decoder) member() *model.Member {
	m := &model.Member{
		Name: model.MemberName(d.text()), ID: model.ClusterID(d.text()), Network: model.NetworkID(d.text()),
		Region: d.text(), UID: d.text(), Identity: d.text(),
	}
	for range d.count() {
		m.Gateways = append(m.Gateways, model.HostPort{Host: d.text(), Port: d.port(), Name: d.text()})
	}
	m.State = model.State(d.word(uint8(model.Quarantined)))
	m.Demoted = d.word(1) == 1
	return m
}

func (d *decoder) offers() model.Offers {
	offers := map[model.ServiceKey]*model.Offer{}
	for range d.count() {
		one := &model.Offer{Key: model.ServiceKey{Namespace: d.text(), Name: d.text()}}
		one.Type = model.ServiceType(d.word(uint8(model.Headless)))
		one.By = model.Dialects(d.word(uint8(model.Upstream | model.GKE)))
		one.Exported = d.moment()
		one.Incumbent = model.MemberName(d.text())
		one.Share = model.Share{Weight: d.weight(), Drained: d.word(1) == 1}
		one.Traits = d.traits()
		one.Ports = d.ports()
		for range d.count() {
			slice := d.slice()
			if last := len(one.Slices) - 1; last >= 0 && one.Slices[last].Name >= slice.Name {
				d.fail("slices are out of order")
			}
			one.Slices = append(one.Slices, slice)
		}
		if offers[one.Key] != nil {
			d.fail("a service comes twice")
		}
		offers[one.Key] = one
		if d.err != nil {
			break
		}
	}
	return model.Offers{}.With(offers)
}

func (d *decoder) traits() model.Traits {
	traits := model.Traits{ClientIP: d.word(1) == 1, AffinitySeconds: d.seconds(), InternalTrafficPolicy: d.text(), TrafficDistribution: d.text(), Prefer: model.Preference(d.text())}
	for range d.count() {
		traits.Families = append(traits.Families, model.Family(d.text()))
	}
	traits.Labels, traits.Annotations = d.texts(), d.texts()
	return traits
}

// texts are nil where there are none.
func (d *decoder) texts() map[string]string {
	var values map[string]string
	for range d.count() {
		if values == nil {
			values = map[string]string{}
		}
		key := d.text()
		values[key] = d.text()
	}
	return values
}

func (d *decoder) seconds() int32 {
	value := d.unsigned()
	if value > math.MaxInt32 {
		d.fail("a number of seconds is too large")
		return 0
	}
	return int32(value)
}

func (d *decoder) weight() uint32 {
	value := d.unsigned()
	if value > math.MaxUint32 {
		d.fail("a weight is too large")
		return 0
	}
	return uint32(value)
}

func (d *decoder) moment() time.Time {
	value, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail("a time is cut off")
		return time.Time{}
	}
	d.rest = d.rest[size:]
	return time.Unix(value, 0).UTC()
}

func (d *decoder) ports() []model.Port {
	var ports []model.Port
	for range d.count() {
		ports = append(ports, model.Port{
			Name: d.text(), AppProtocol: d.text(), Number: d.port(), Protocol: model.Protocol(d.word(uint8(model.SCTP))),
		})
	}
	return ports
}

func (d *decoder) slice() *model.Slice {
	slice := &model.Slice{Name: d.text(), Ports: d.ports()}
	for range d.count() {
		slice.Endpoints.Append(model.Endpoint{
			Addr: d.address(), Zone: unique.Make(d.text()), Health: model.Health(d.word(uint8(model.Unready))),
		})
		if d.err != nil {
			break
		}
	}
	names := d.count()
	if names > 0 && names != slice.Endpoints.Len() {
		d.fail("hostnames and endpoints do not fit")
		return slice
	}
	for range names {
		slice.Hostnames = append(slice.Hostnames, d.text())
	}
	return slice
}

func (d *decoder) address() netip.Addr {
	size := int(d.word(16))
	if size == 0 {
		return netip.Addr{}
	}
	address, ok := netip.AddrFromSlice(d.bytes(size))
	if !ok {
		d.fail("an address is none")
	}
	return address
}
