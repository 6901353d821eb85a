package chain

import (
	"fmt"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// Link is all that was seen of one ordered pair of members.
type Link struct {
	Consumer, Producer End
	// Host and Port are the Service that has pods in the producer only.
	Host string
	Port int
	// Answer is the last bad answer.
	Answer traffic.Answer
	// View is what the consumer's Envoy knows of the Service.
	View View
	// Dials are TCP probes from a pod of the consumer to the addresses in View,
	// past its sidecar, by "address:port".
	Dials map[string]traffic.Answer
	// Passthrough is what the producer's gateway says.
	Passthrough Passthrough
	Credential  Credential
	// Remembered counts other services that the consumer's Envoy still reaches
	// in the producer.
	Remembered int
	// Works says that the link answers in spite of what may be found.
	Works bool
	Now   time.Time
}

// End is one side of a link.
type End struct {
	// Name is the member's, ClusterID what its istiod says, Network that of its
	// pods, Revision that of the istiod which injected them.
	Name, ClusterID, Network, Revision string
	Namespace                          string
	Facts                              facts.Cluster
	Pod                                Pod
	// Identity is nil where it could not be read.
	Identity *envoy.Identity
	Stats    envoy.Stats
}

// Pod is the one that answers on a side.
type Pod struct {
	Name, IP string
	Labels   map[string]string
	Ready    bool
	// State says in words why it is not ready.
	State string
}

// View is what an Envoy knows of one Service.
type View struct {
	// Read says that the Envoy could be asked.
	Read bool
	// Known says that it has a cluster for the Service.
	Known     bool
	Cluster   envoy.Cluster
	Endpoints []envoy.Endpoint
}

// Passthrough is a gateway's own view.
type Passthrough struct {
	Read      bool
	Pod       string
	Listeners []envoy.Listener
	// Endpoints are those behind the SNI of the Service.
	Endpoints []envoy.Endpoint
}

// Credential is what the consumer holds to read the producer's API.
type Credential struct {
	// Expected says that the consumer's own istiod needs one: it has an istiod,
	// and its secrets could be read.
	Expected bool
	// Secret is the entry under the producer's ID, Misfiled one that opens the
	// producer's API under another key; nil if there is none.
	Secret, Misfiled *facts.RemoteSecret
	// Status is what the producer's API answered to the token: 0 not tried.
	Status int
	// Dial is a probe of the secret's address from a pod of the consumer.
	Dial *traffic.Answer
}

// Self says that both ends are the same member.
func (l Link) Self() bool { return l.Consumer.Name == l.Producer.Name }

// endpoints are those of the Service in the consumer's Envoy; nil if it has
// none or could not be asked.
func (l Link) endpoints() []envoy.Endpoint {
	if len(l.View.Endpoints) == 0 {
		return nil
	}
	return l.View.Endpoints
}

// direct are endpoints that are pods of the producer, not its gateway.
func (l Link) direct() []envoy.Endpoint {
	var all []envoy.Endpoint
	for _, e := range l.endpoints() {
		if e.Address == l.Producer.Pod.IP && e.Port == l.Port {
			all = append(all, e)
		}
	}
	return all
}

// remote are endpoints that are gateways.
func (l Link) remote() []envoy.Endpoint {
	if l.Self() {
		return nil
	}
	var all []envoy.Endpoint
	for _, e := range l.endpoints() {
		if e.Address != l.Producer.Pod.IP || e.Port != l.Port {
			all = append(all, e)
		}
	}
	return all
}

// gateways are the producer's Services that stand for its network.
func (l Link) gateways() []facts.Gateway {
	var all []facts.Gateway
	for _, g := range l.Producer.Facts.Gateways {
		if g.Port != 0 && g.Network == l.Producer.Network && g.Network != "" {
			all = append(all, g)
		}
	}
	return all
}

// declared says that the consumer was told an address of the producer's network
// by hand, so that the producer's own Service need not have one.
func (l Link) declared() bool {
	return slices.ContainsFunc(l.Consumer.Facts.Declared, func(d facts.Declared) bool {
		return d.Network == l.Producer.Network
	})
}

// sni is the name the consumer asks the gateway for.
func (l Link) sni() string { return envoy.SNI(l.Host, l.Port) }

// seenEndpoints is the reading that most verdicts rest on.
func (l Link) seenEndpoints() string {
	if !l.View.Read {
		return fmt.Sprintf("the Envoy of %s could not be asked", l.Consumer.Name)
	}
	if !l.View.Known {
		return fmt.Sprintf("the Envoy of %s has no cluster %s", l.Consumer.Name, envoy.ClusterName(l.Host, l.Port))
	}
	if len(l.View.Endpoints) == 0 {
		return fmt.Sprintf("the Envoy of %s has no endpoint for %s", l.Consumer.Name, l.Host)
	}
	return fmt.Sprintf("the Envoy of %s sends %s to %s", l.Consumer.Name, l.Host, addresses(l.View.Endpoints))
}

func addresses(all []envoy.Endpoint) string {
	text := ""
	for i, e := range all {
		if i > 0 {
			text += ", "
		}
		text += e.String()
	}
	return text
}
