package chain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// Link is all that was seen of one ordered pair of members.
type Link struct {
	Consumer, Producer End
	// Service has pods in the producer only; it is in Namespace, with Port.
	Service, Namespace string
	Port               int
	// Answer is the last bad answer.
	Answer traffic.Answer
	// Egress is what the consumer's gateway says of the service, Inbound what the
	// producer's says.
	Egress  Egress
	Inbound Inbound
	// Dials are TCP probes from a pod of the consumer to the addresses of the
	// producer's gateway, by host:port.
	Dials      map[string]traffic.Answer
	Credential Credential
	// Works says that the link answers in spite of what may be found.
	Works bool
	Now   time.Time
}

// End is one side of a link.
type End struct {
	Name  string
	Facts facts.Cluster
	Pod   Pod
}

// Pod is the one that answers on a side.
type Pod struct {
	Name, IP string
	Ready    bool
	// State says in words why it is not ready.
	State string
}

// Egress is the consumer's gateway.
type Egress struct {
	// Read says that it could be asked; Pod which one.
	Read bool
	Pod  string
	// Connected says that it has a stream to its agent.
	Connected bool
	// Listens says that it serves the port behind the derived Service, Known that
	// it has a cluster for the service.
	Listens, Known bool
	// Hosts lead to the producer, Peers are the producer's gateways.
	Hosts, Peers []envoy.Host
	// Refused counts certificates of the producer's gateways.
	Refused uint64
}

// Inbound is the producer's gateway.
type Inbound struct {
	Read      bool
	Pod       string
	Connected bool
	// Listens says that it serves peers, Known that it has a cluster for the SNI.
	Listens, Known bool
	Hosts          []envoy.Host
}

// Credential is what the record of the producer lets the consumer do.
type Credential struct {
	// Status is what the producer's API answered to the token: 0 not tried.
	Status int
	// Dial is a probe of the record's address from a pod of the consumer.
	Dial *traffic.Answer
}

// Self says that both ends are the same member.
func (l Link) Self() bool { return l.Consumer.Name == l.Producer.Name }

// derived is the Service by which the consumer calls.
func (l Link) derived() (facts.Derived, bool) {
	d, ok := l.Consumer.Facts.Derived[l.Service]
	return d, ok
}

// direct says that the derived Service leads to the producer's pod itself.
func (l Link) direct() bool {
	d, _ := l.derived()
	return slices.Contains(d.Endpoints, l.Producer.Pod.IP)
}

// delivered says that the consumer knows a way to the producer.
func (l Link) delivered() bool { return len(l.Egress.Hosts) > 0 || l.direct() }

// anyDial says that some address of the producer's gateway could be connected to.
func (l Link) anyDial() bool {
	for _, answer := range l.Dials {
		if answer.Connected() {
			return true
		}
	}
	return false
}

// dialled is the outcome of every probe, as evidence.
func (l Link) dialled() []string {
	var all []string
	for address, answer := range l.Dials {
		word := "connected"
		if !answer.Connected() {
			word = answer.Failure()
		}
		all = append(all, fmt.Sprintf("TCP from a pod of %s to %s: %s", l.Consumer.Name, address, word))
	}
	slices.Sort(all)
	return all
}

// seenHosts is the reading that most verdicts rest on.
func (l Link) seenHosts() string {
	if d, found := l.derived(); found && l.direct() {
		return fmt.Sprintf("%s leads to pods: %s", d, strings.Join(d.Endpoints, ", "))
	}
	gateway := "the gateway of " + l.Consumer.Name
	switch {
	case !l.Egress.Read:
		return gateway + " could not be asked"
	case !l.Egress.Known:
		return fmt.Sprintf("%s (pod %s) has no cluster %s", gateway, l.Egress.Pod, l.egress())
	case len(l.Egress.Hosts) == 0:
		return fmt.Sprintf("%s (pod %s) has no endpoint of %s in %s", gateway, l.Egress.Pod, l.Producer.Name, l.egress())
	}
	var all []string
	for _, h := range l.Egress.Hosts {
		word := "healthy"
		if !h.Healthy {
			word = "unhealthy"
		}
		all = append(all, h.Address+" ("+word+")")
	}
	return fmt.Sprintf("%s (pod %s) sends %s to %s", gateway, l.Egress.Pod, l.egress(), strings.Join(all, ", "))
}

func (l Link) egress() string { return envoy.Egress(l.Service, l.Namespace, l.Port) }
func (l Link) sni() string    { return envoy.SNI(l.Service, l.Namespace, l.Port) }

// object of our namespace.
func object(kind, name string) string { return kind + " " + facts.Namespace + "/" + name }
