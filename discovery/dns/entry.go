package dns

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// entry is all that the zone has of one service.
type entry struct {
	key model.ServiceKey
	// made says what it was made from.
	made origin
	// root is what SVC.NS has; nil where the service has no record at all, so that its
	// name does not exist.
	root *node
	// names are what stands left of SVC.NS.
	names map[string]*node
	// omitted is how many endpoints have no name of their own, as it would be too long.
	omitted int
	// records is how many there are under all names.
	records int
}

// origin is what an entry depends on.
type origin struct {
	service   *model.Service
	addresses []netip.Addr
	// exporters are those behind the service, by the place of the backend.
	exporters []exporter
}

func (o *origin) equal(other *origin) bool {
	return o.service == other.service && slices.Equal(o.addresses, other.addresses) && slices.Equal(o.exporters, other.exporters)
}

// exporter is what matters of a member.
type exporter struct {
	// rank is its place for one service.
	rank    int
	region  string
	near    bool
	demoted bool
}

// pack makes the entry of a service.
func pack(made origin) *entry {
	key := made.service.Key
	out := &entry{key: key, made: made, names: map[string]*node{}}
	name, valid := serviceName(key)
	switch {
	case !valid:
	case made.service.Type == model.Headless:
		out.packHosts(name, hostsOf(&made))
	default:
		out.packAddress(name)
	}
	out.count()
	return out
}

func (e *entry) count() {
	if e.root != nil {
		e.records += e.root.records()
	}
	for _, at := range e.names {
		e.records += at.records()
	}
}

// serviceName is SVC.NS in wire form.
func serviceName(key model.ServiceKey) (string, bool) {
	service, valid := label(key.Name)
	namespace, also := label(key.Namespace)
	return service + namespace, valid && also
}

// packAddress is for services with addresses of their own in this cluster. A port
// leads to the service's name.
func (e *entry) packAddress(name string) {
	root := &node{}
	for _, address := range e.made.addresses {
		root.add(address.Unmap(), true)
	}
	if root.bare() {
		return // no address was found for it yet
	}
	e.root = root
	for _, port := range e.made.service.Ports {
		e.packPort(name, port, target{name: name + labelSvc + zoneName, at: root, near: true, weight: srvWeight})
	}
}

// target is where a port leads to.
type target struct {
	name string
	at   *node
	near bool
	// weight is the record's (RFC 2782).
	weight uint16
}

// packPort adds the records of a named port: those of its own name, and those of the
// service's name, where one number at one target is said once. The latter is beyond
// KEP-1645, and what its conformance suite and CoreDNS do.
func (e *entry) packPort(name string, port model.Port, to target) {
	word, valid := label("_" + port.Name)
	protocol, _ := label("_" + port.Protocol.String())
	if port.Name == "" || !valid {
		return
	}
	for _, at := range []*node{e.at(word + protocol), e.root} {
		if at.srv == nil {
			at.srv = &services{}
		}
		if !at.srv.leads(port.Number, to.at) {
			at.srv.add(port.Number, to)
		}
	}
}

// at is what a name left of SVC.NS has; it exists from then on, and the names
// between it and SVC.NS with it.
func (e *entry) at(name string) *node {
	if found := e.names[name]; found != nil {
		return found
	}
	made := &node{}
	e.set(name, made)
	return made
}

func (e *entry) set(name string, to *node) {
	e.names[name] = to
	parents(name, func(parent string) {
		if e.names[parent] == nil {
			e.names[parent] = &node{}
		}
	})
}

// location is how a member's region is written in names; a member without one is
// global, as GKE has it. It is false where the region can be no label.
func location(region string) (string, bool) {
	if region == "" {
		region = "global"
	}
	if strings.ContainsRune(region, '.') {
		return "", false
	}
	return label(region)
}
