package watch

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// objectID names an object of one resource.
type objectID struct{ namespace, name string }

func (id objectID) String() string { return id.namespace + "/" + id.name }

func (id objectID) compare(other objectID) int {
	return cmp.Or(strings.Compare(id.namespace, other.namespace), strings.Compare(id.name, other.name))
}

// object is an object of a member once it was packed. Nothing of the Kubernetes
// object is kept. Exactly one of the pointers is set, or none where all of the
// object was dropped.
type object struct {
	id  objectID
	key model.ServiceKey
	// size is about how many bytes it takes to keep it.
	size    int
	service *service
	slice   *model.Slice
	export  *export
	gateway *gateway
	drops   []Drop
}

// service is a Service reduced to what an offer needs.
type service struct {
	kind    model.ServiceType
	ports   []model.Port
	traits  model.Traits
	created time.Time
	// external is true of a Service that is nothing but a name: it has no endpoints,
	// and cannot be exported (KEP-1645).
	external bool
	// excess is the number of ports where that is worth a warning.
	excess int
}

// export is a ServiceExport reduced to what an offer needs.
type export struct {
	in        model.Dialects
	created   time.Time
	incumbent model.MemberName
	prefer    model.Preference
	share     model.Share
	// flaw is what is wrong with what it asks for; it is exported all the same.
	flaw                string
	labels, annotations map[string]string
}

// gateway is what the gateway's Service says of its addresses.
type gateway struct {
	id        objectID
	addresses []model.HostPort
}

// Reasons why something of an object was dropped.
const (
	DropName        = "InvalidName"
	DropServiceType = "UnsupportedServiceType"
	DropPort        = "InvalidPort"
	DropNoPorts     = "NoPorts"
	DropDuplicate   = "DuplicatePort"
	DropFamily      = "UnsupportedAddressType"
	DropAddress     = "InvalidAddress"
	DropDenied      = "AddressDenied"
	DropOutside     = "AddressOutsidePodCIDRs"
	DropDerived     = "Derived"
	DropTooLarge    = "MemberOverLimit"
	DropMetadata    = "InvalidMetadata"
	DropHostname    = "InvalidHostname"
)

// Drop is a part of an object that is not used, and why.
type Drop struct {
	// Object is "Kind namespace/name".
	Object string
	Reason string
	// Detail is the address, port or name in question.
	Detail string
}

// maxDrops bounds the drops of one object; one more says how many there were.
const maxDrops = 8

// dropper collects the drops of one object.
type dropper struct {
	object string
	drops  []Drop
	more   int
}

func (d *dropper) add(reason, detail string) {
	if len(d.drops) == maxDrops {
		d.more++
		return
	}
	const most = 80
	d.drops = append(d.drops, Drop{Object: d.object, Reason: reason, Detail: fmt.Sprintf("%.*q", most, detail)})
}

func (d *dropper) result() []Drop {
	if d.more > 0 {
		last := d.drops[len(d.drops)-1]
		d.drops = append(d.drops, Drop{Object: d.object, Reason: last.Reason, Detail: fmt.Sprintf("and %d more", d.more)})
	}
	return d.drops
}

// idOf is the identity of a decoded object.
func idOf(o metav1.Object) objectID { return objectID{o.GetNamespace(), o.GetName()} }
