// Package status owns what the cluster shows of each member of its mesh: the
// cluster-scoped objects MemberCluster with state, code, what is wrong and how to
// mend it. It stands beside the data path as a reader of what others found out.
//
// What an object shall say is a pure function of that; the Writer, of which one
// runs at a time, writes what differs. It must not know how members are watched,
// nor who reads the objects.
package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Kind of the objects.
const Kind = "MemberCluster"

// Member is what is known of one member.
type Member struct {
	Name model.MemberName
	// Own is the agent's own cluster.
	Own bool
	// ClusterID, Network and Region are the record's.
	ClusterID, Network, Region string
	// Watched is false where no record of the member is in use.
	Watched bool
	State   model.State
	// Faults are why it is not Ready, the first one first.
	Faults []Fault
	// Pending are the faults of a credential or record that is not in use yet.
	Pending []Fault
	// Records are what is wrong with its records, Exports with what it exports, and
	// Links are why something cannot be sent to it.
	Records, Exports, Links []Problem
	// Services and Endpoints count what it offers.
	Services, Endpoints int
	Gateways            []string
	// Demoted members are used only where nobody else has an endpoint.
	Demoted bool
	// Link is what connecting to its gateways found out; nil where that was not tried.
	Link *Link
	// Addresses is whether the local istiod is told its advertised addresses; nil where
	// it has none of those.
	Addresses *Addresses
	// Feature is its part in multi-cluster Services.
	Feature Feature
	// LastEvent is when it last said something about an object.
	LastEvent time.Time
	// Expires is when the credential for it ends; zero where it does not say.
	Expires time.Time
}

// Link is whether a member answers through its gateways.
type Link struct {
	OK bool
	// Hop is the first broken one, and Message why; where it is OK the last that was
	// proved, and why no more was.
	Hop, Message string
	// RTT is how long a question and its answer took; zero where none was answered.
	RTT time.Duration
}

// Addresses is whether the objects by which the local istiod knows advertised
// addresses are as they were recorded.
type Addresses struct {
	// Problem is why they are not; empty where they are.
	Problem string
	// Restored is when that was last mended; zero where it was never needed.
	Restored time.Time
}

// Fault is why a member, or one resource of it, is not watched.
type Fault struct {
	// Resource is empty where it is the member itself.
	Resource string    `json:"resource,omitempty"`
	Reason   string    `json:"reason"`
	Message  string    `json:"message"`
	Since    time.Time `json:"since"`
}

// Problem is something wrong that stops nothing else.
type Problem struct {
	// About is the service or the Secret in question; empty where it is the member.
	About   string `json:"about,omitempty"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// eventStep is the precision of lastEvent: a busy member is no reason to write its
// object with every event.
const eventStep = time.Minute

// maxGateways bounds the addresses that are shown.
const maxGateways = 64

// Wanted is what the object of a member shall say. Last is the object as it is,
// whose conditions keep their times as long as they stay what they are; nil where
// there is none.
func Wanted(m Member, last *v1alpha1.MemberCluster, now time.Time) v1alpha1.MemberCluster {
	found := findings(m, now)
	object := v1alpha1.MemberCluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.APIVersion, Kind: Kind},
		ObjectMeta: metav1.ObjectMeta{Name: string(m.Name), Labels: map[string]string{managedBy: manager}},
		Spec:       v1alpha1.MemberClusterSpec{ClusterID: m.ClusterID, Network: m.Network, Region: m.Region},
		Status: v1alpha1.MemberClusterStatus{
			State: m.State.String(), Code: code(found), Description: describe(m, found),
			Services: int64(m.Services), Endpoints: int64(m.Endpoints),
			Gateways:  m.Gateways[:min(len(m.Gateways), maxGateways)],
			LastEvent: moment(m.LastEvent.Truncate(eventStep)), CredentialExpiry: moment(m.Expires),
		},
	}
	var before []metav1.Condition
	var said *v1alpha1.MemberServices
	if last != nil {
		before, said = last.Status.Conditions, last.Status.MultiClusterServices
	}
	object.Status.MultiClusterServices = services(m, said, now)
	object.Status.Conditions = []metav1.Condition{
		lasting(credentialValid(m, now), before, now),
		lasting(ready(m, found), before, now),
	}
	if incomplete, applies := exportsIncomplete(m); applies {
		object.Status.Conditions = append(object.Status.Conditions, lasting(incomplete, before, now))
	}
	if m.Link != nil {
		object.Status.Link = &v1alpha1.MemberLink{Hop: m.Link.Hop, RTTMicroseconds: m.Link.RTT.Microseconds()}
		object.Status.Conditions = append(object.Status.Conditions, lasting(reachable(*m.Link), before, now))
	}
	if m.Addresses != nil {
		object.Status.Conditions = append(object.Status.Conditions, lasting(addressesKept(*m.Addresses), before, now))
	}
	return object
}

func moment(at time.Time) *metav1.Time {
	if at.IsZero() {
		return nil
	}
	return &metav1.Time{Time: at.UTC().Truncate(time.Second)}
}
