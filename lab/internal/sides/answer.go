package sides

import (
	"net"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// Port is a port of a service.
type Port struct {
	Namespace, Service string
	Number             int
}

// portOf reads a port of SERVICE.NAMESPACE with suffix behind it.
func portOf(number, host, suffix string) (Port, bool) {
	host, ends := strings.CutSuffix(host, suffix)
	service, namespace, found := strings.Cut(host, ".")
	value, err := strconv.Atoi(number)
	return Port{Namespace: namespace, Service: service, Number: value}, ends && found && err == nil
}

// Share is what part of a port's traffic a host gets.
type Share struct {
	// Weight is relative to those of the other hosts, in lowest terms.
	Weight int
	// Priority is 0 for those who are used first.
	Priority int
}

// Answer is the hosts of a port that take traffic, by address and port.
type Answer map[string]Share

// Answers are what a proxy was told of all ports that have a host: whether one that
// has none is known to the server makes no difference to traffic.
func (p *Proxy) Answers() (map[Port]Answer, error) {
	assignments, err := p.Assignments()
	all := map[Port]Answer{}
	for port, assignment := range assignments {
		if answer := AnswerOf(assignment.Load); len(answer) > 0 {
			all[port] = answer
		}
	}
	return all, err
}

// AnswerOf reads an assignment. Hosts that are marked as not healthy get no traffic.
// A gateway may stand for pods of several places: its weights are added.
func AnswerOf(load *endpointv3.ClusterLoadAssignment) Answer {
	answer := Answer{}
	for _, locality := range load.GetEndpoints() {
		for _, one := range locality.GetLbEndpoints() {
			if health := one.GetHealthStatus(); health != corev3.HealthStatus_UNKNOWN && health != corev3.HealthStatus_HEALTHY {
				continue
			}
			socket := one.GetEndpoint().GetAddress().GetSocketAddress()
			host := net.JoinHostPort(socket.GetAddress(), strconv.Itoa(int(socket.GetPortValue())))
			weight := int(max(one.GetLoadBalancingWeight().GetValue(), 1))
			answer[host] = Share{Weight: answer[host].Weight + weight, Priority: int(locality.GetPriority())}
		}
	}
	return answer.lowest()
}

// lowest divides weights by what all have in common: only relations count.
func (a Answer) lowest() Answer {
	common := 0
	for _, share := range a {
		for x := share.Weight; x != 0; {
			common, x = x, common%x
		}
	}
	for host, share := range a {
		share.Weight /= common
		a[host] = share
	}
	return a
}
