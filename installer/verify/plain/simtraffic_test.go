package plain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/verify/harness"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/envoy"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
	"github.com/eastwest-mesh/eastwest/internal/podforward"
)

const curlTimeout = "\n000 0.000000 3.000000\ncurl: (28) Connection timed out"

// exec answers the two scripts of package traffic.
func (m *mesh) exec(name string) func(context.Context, podexec.Target, ...string) ([]byte, error) {
	return func(ctx context.Context, _ podexec.Target, command ...string) ([]byte, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var b strings.Builder
		if strings.Contains(command[2], "budget=") {
			n, _ := strconv.Atoi(command[5])
			for range n {
				b.WriteString(m.block(name, command[7], command[8]))
			}
			return []byte(b.String()), nil
		}
		for _, target := range command[5:] {
			key, url, _ := strings.Cut(target, "=")
			b.WriteString(m.block(name, key, url))
		}
		return []byte(b.String()), nil
	}
}

// block is one request: to a derived Service, to an API server or to a gateway.
func (m *mesh) block(consumer, key, url string) string {
	good := func(producer string) string {
		version := fmt.Sprintf("v%d", m.index(producer)+1)
		return fmt.Sprintf("> %s\nHello version: %s, instance: helloworld-%s-%s\n200 0.001 0.004\n@ 0\n", key, version, version, producer)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ".")
	if producer, ok := strings.CutPrefix(host, derived("link-")); ok {
		if text, cut := m.cut[[2]string{consumer, producer}]; cut {
			return fmt.Sprintf("> %s\n%s\n@ 28\n", key, text)
		}
		return good(producer)
	}
	if host == derived(harness.HelloName) {
		for {
			m.turn++
			if producer := m.names[m.turn%len(m.names)]; !m.mute[[2]string{consumer, producer}] {
				return good(producer)
			}
		}
	}
	if text, cut := m.cut[[2]string{consumer, url}]; cut {
		return fmt.Sprintf("> %s\n%s\n@ 28\n", key, text)
	}
	return fmt.Sprintf("> %s\n\n401 0.001 0.002\n@ 0\n", key)
}

// ask answers as the Envoy of a member's gateway.
func (m *mesh) ask(name string) func(context.Context, podforward.Target, string) ([]byte, error) {
	return func(_ context.Context, target podforward.Target, path string) ([]byte, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case target.Port != envoy.AdminPort:
			return nil, errors.New("nobody listens")
		case strings.HasPrefix(path, "clusters?"):
			return m.adminClusters(name), nil
		case strings.HasPrefix(path, "listeners?"):
			return []byte(`{"listener_statuses":[{"name":"inbound_15443"},{"name":"egress","local_address":{"socket_address":{"port_value":20000}}}]}`), nil
		}
		return []byte(envoy.Connected + ": 1\n"), nil
	}
}

// adminClusters are those of a gateway: it knows of what was exported while its
// agent ran.
func (m *mesh) adminClusters(name string) []byte {
	var all []any
	add := func(cluster string, hosts ...any) {
		all = append(all, map[string]any{"name": cluster, "host_statuses": hosts})
	}
	for _, peer := range m.names {
		if peer != name {
			add(envoy.Peer(peer), m.host(name, peer))
		}
	}
	for service, exporters := range m.exported {
		var hosts []any
		for _, exporter := range exporters {
			hosts = append(hosts, m.host(name, exporter))
			if exporter == name && !m.down[name] {
				add(envoy.SNI(service, m.namespace(), harness.Port), m.host(name, name))
			}
		}
		if !m.down[name] {
			add(envoy.Egress(service, m.namespace(), harness.Port), hosts...)
		}
	}
	data, _ := json.Marshal(map[string]any{"cluster_statuses": all})
	return data
}

// namespace is that of the one run.
func (m *mesh) namespace() string { return "eastwest-verify-x" }

func (m *mesh) host(consumer, producer string) any {
	address := net.JoinHostPort(gatewayIP(m.index(producer)), "15443")
	if consumer == producer {
		address = net.JoinHostPort(podIP(m.index(producer)), strconv.Itoa(harness.Port))
	}
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	return map[string]any{
		"address":       map[string]any{"socket_address": map[string]any{"address": host, "port_value": port}},
		"health_status": map[string]any{"eds_health_status": "HEALTHY", "failed_active_health_check": m.unhealthy[[2]string{consumer, producer}]},
		"weight":        1, "locality": map[string]any{"sub_zone": producer},
	}
}
