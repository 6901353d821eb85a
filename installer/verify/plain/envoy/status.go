// Package envoy reads what the Envoy of a gateway without a mesh says of itself:
// where its clusters lead and with which weight, its listeners, and some counters.
// It owns the paths to ask for, the names our agent gives, and the few fields that
// a verdict needs. It knows no Kubernetes and no way to ask.
package envoy

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// AdminPort is where Envoy answers, to its own pod only.
const AdminPort = 15000

// InboundListener is the name of the listener that peers dial.
const InboundListener = "inbound_15443"

// Connected is 1 while Envoy has a stream to its agent.
const Connected = "control_plane.connected_state"

// SNI is the name by which peers ask for a port of a service, and the cluster of
// the inbound listener that it leads to.
func SNI(service, namespace string, port int) string {
	return fmt.Sprintf("outbound_.%d_._.%s.%s.svc.cluster.local", port, service, namespace)
}

// Egress is the name of the cluster that leads to a port of an imported service.
func Egress(service, namespace string, port int) string {
	return fmt.Sprintf("egress|%d|%s.%s", port, service, namespace)
}

// Peer is the name of the cluster whose endpoints are the gateways of a member.
func Peer(member string) string { return "gateway|" + member }

// ClustersPath asks for the clusters of the services of a namespace and of peers.
func ClustersPath(namespace string) string {
	ours := regexp.QuoteMeta(namespace)
	return "clusters?format=json&filter=" + url.QueryEscape(
		`^egress\|.*\.`+ours+`$|^outbound_.*\.`+ours+`\.svc\.cluster\.local$|^gateway\|`)
}

// ListenersPath asks for all listeners in use.
func ListenersPath() string { return "listeners?format=json" }

// StatsPath asks for what a verdict uses as evidence.
func StatsPath() string {
	return "stats?filter=" + url.QueryEscape(`^control_plane\.connected_state$|^cluster\.gateway\|.*\.ssl\.fail_verify_`)
}

// Stats are counters and gauges by name.
type Stats map[string]uint64

// ParseStats reads the answer to StatsPath.
func ParseStats(data []byte) Stats {
	stats := Stats{}
	for line := range strings.Lines(string(data)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if value, err := strconv.ParseUint(text, 10, 64); err == nil {
			stats[name] = value
		}
	}
	return stats
}

// Refused counts the certificates of a member's gateways that were not accepted.
func (s Stats) Refused(member string) uint64 {
	var sum uint64
	for name, value := range s {
		if strings.HasPrefix(name, "cluster."+Peer(member)+".ssl.fail_verify_") {
			sum += value
		}
	}
	return sum
}

// address is how Envoy prints a socket.
type address struct {
	Socket struct {
		Address string `json:"address"`
		Port    int    `json:"port_value"`
	} `json:"socket_address"`
}

func (a address) String() string {
	return net.JoinHostPort(a.Socket.Address, strconv.Itoa(a.Socket.Port))
}

// Listener is one that serves.
type Listener struct {
	Name string
	Port int
}

// ParseListeners reads the answer to ListenersPath.
func ParseListeners(data []byte) ([]Listener, error) {
	var all struct {
		Listeners []struct {
			Name  string  `json:"name"`
			Local address `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("decode Envoy's listeners: %w", err)
	}
	listeners := make([]Listener, len(all.Listeners))
	for i, one := range all.Listeners {
		listeners[i] = Listener{Name: one.Name, Port: one.Local.Socket.Port}
	}
	return listeners, nil
}
