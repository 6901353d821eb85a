// Package facts reads what the API of one cluster without a mesh says of its part
// in one: its agent, the records of other members, its gateway, what it exports
// and what was derived from imports. It reads only, and judges nothing.
package facts

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

// Names and labels that are part of how members are joined.
const (
	Namespace   = "eastwest-system"
	AgentName   = "eastwest-agent"
	GatewayName = "eastwest-gateway"
	AuthorityCA = "eastwest-ca"
	TLSPort     = 15443
)

// Object is a namespaced object.
type Object struct {
	Namespace, Name string
}

func (o Object) String() string { return o.Namespace + "/" + o.Name }

// Cluster is what was read of one. What could not be read is in Unread and has
// its zero value.
type Cluster struct {
	Agent   Deployment
	Records []Record
	// Members is what the agent says of each member, where it says anything.
	Members map[string]Member
	// Gateway is nil where the cluster has none.
	Gateway   *Gateway
	Authority Authority
	// Exports and Derived are those of the run's namespace, by service.
	Exports map[string]Export
	Derived map[string]Derived

	Unread []string
	unread []string // parts
}

// Parts that may not have been read.
const (
	PartAgent     = "the agent's Deployment"
	PartRecords   = "records of members"
	PartMembers   = "MemberClusters"
	PartGateway   = "the gateway"
	PartAuthority = "the agent's CA"
	PartExports   = "ServiceExports"
	PartDerived   = "derived Services"
)

// Knows says that a part was read.
func (c Cluster) Knows(part string) bool { return !slices.Contains(c.unread, part) }

// Deployment is the agent's.
type Deployment struct {
	Found         bool
	Wanted, Ready int
}

// Record is what the agent is given of another member.
type Record struct {
	// Secret holds it.
	Secret Object
	Name   string
	// Server is the API address, Token the credential for it.
	Server, Token string
	// Advertised are addresses of its gateway, said by hand.
	Advertised []string
	// Invalid says why it is not usable.
	Invalid string
}

// Record of a member; ok is false where there is none.
func (c Cluster) Record(member string) (Record, bool) {
	for _, r := range c.Records {
		if r.Name == member {
			return r, true
		}
	}
	return Record{}, false
}

// Member is a MemberCluster.
type Member struct {
	State, Code, Description string
	// Region is where it is; empty where nobody said.
	Region string
	// Services is how it stands in multi-cluster Services; nil where nobody says.
	Services *v1alpha1.MemberServices
	// Reached says how far the way to the member goes; empty where nobody tries.
	Reached Reached
}

// Reached is what an agent says of the way to a member.
type Reached struct {
	// Status is True, False or empty, Reason and Message say why.
	Status, Reason, Message string
	// Hop is the first broken one, or the last that was proved.
	Hop string
	// RTT of a question and its answer; zero where none was answered.
	RTT time.Duration
}

// Gateway is the gateway's Service with its pods.
type Gateway struct {
	Object
	Type      string
	Addresses []string
	// Port is the one that peers dial; 0 if the Service has none.
	Port         int
	SourceRanges []string
	Pods         []Pod
}

// Pod of a gateway.
type Pod struct {
	Name, IP string
	Ready    bool
}

// Ready are the pods that are.
func (g *Gateway) Ready() []Pod {
	var ready []Pod
	if g != nil {
		for _, p := range g.Pods {
			if p.Ready {
				ready = append(ready, p)
			}
		}
	}
	return ready
}

// Authority is the CA by which the agent issues certificates.
type Authority struct {
	Found bool
	Roots []*x509.Certificate
	// Expiry is that of the issuing certificate.
	Expiry time.Time
}

// Export is a ServiceExport.
type Export struct {
	// Invalid is what its condition Valid says against it.
	Invalid string
}

// Derived is the Service that stands for an imported one.
type Derived struct {
	Object
	// Target is the port of what is behind it.
	Target int
	// Endpoints are the addresses behind it that are ready.
	Endpoints []string
}

// Host is its full name.
func (d Derived) Host() string { return fmt.Sprintf("%s.%s.svc.cluster.local", d.Name, d.Namespace) }
