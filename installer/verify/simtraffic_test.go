package verify_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
)

const curlTimeout = "\n000 0.000000 3.000000\ncurl: (28) Connection timed out"

// shell answers the two scripts of package traffic.
func (m *mesh) shell(name string, command []string) []byte {
	var b strings.Builder
	if strings.Contains(command[2], "budget=") {
		n, _ := strconv.Atoi(command[5])
		for range n {
			b.WriteString(m.block(name, command[7], command[8]))
		}
		return []byte(b.String())
	}
	for _, target := range command[5:] {
		key, url, _ := strings.Cut(target, "=")
		b.WriteString(m.block(name, key, url))
	}
	return []byte(b.String())
}

// block is one request: to helloworld, to an API server or to a gateway.
func (m *mesh) block(consumer, key, url string) string {
	good := func(version, producer string) string {
		return fmt.Sprintf("> %s\nHello version: %s, instance: helloworld-%s-%s\n200 0.001 0.004\n@ 0\n", key, version, version, producer)
	}
	if rest, ok := strings.CutPrefix(url, "http://link-"); ok {
		producer, _, _ := strings.Cut(rest, ".")
		if text, cut := m.cut[[2]string{consumer, producer}]; cut {
			return fmt.Sprintf("> %s\n%s\n@ %s\n", key, text, exitOf(text))
		}
		return good(fmt.Sprintf("v%d", m.index(producer)+1), producer)
	}
	if strings.HasPrefix(url, "http://helloworld.") {
		m.turn++
		i := m.turn % len(m.names)
		return good(fmt.Sprintf("v%d", i+1), m.names[i])
	}
	if text, cut := m.cut[[2]string{consumer, url}]; cut {
		return fmt.Sprintf("> %s\n%s\n@ %s\n", key, text, exitOf(text))
	}
	return fmt.Sprintf("> %s\n\n401 0.001 0.002\n@ 0\n", key)
}

func exitOf(text string) string {
	_, after, _ := strings.Cut(text, "curl: (")
	code, _, _ := strings.Cut(after, ")")
	return code
}

// admin is the Envoy of sleep or helloworld.
func (m *mesh) admin(name, namespace, path string) []byte {
	var all []any
	for _, producer := range append([]string{""}, m.names...) {
		service := "helloworld"
		if producer != "" {
			service = "link-" + producer
		}
		cluster := fmt.Sprintf("outbound|5000||%s.%s.svc.cluster.local", service, namespace)
		switch {
		case strings.Contains(path, "dynamic_active_clusters"):
			all = append(all, map[string]any{"cluster": map[string]any{"name": cluster}})
		case strings.Contains(path, "dynamic_endpoint_configs"):
			var endpoints []any
			for _, p := range m.names {
				if producer == "" || producer == p {
					endpoints = append(endpoints, m.addresses(name, p)...)
				}
			}
			all = append(all, map[string]any{"endpoint_config": map[string]any{
				"cluster_name": cluster, "endpoints": []any{map[string]any{"lb_endpoints": endpoints}},
			}})
		}
	}
	data, _ := json.Marshal(map[string]any{"configs": all, "stats": []any{}})
	return data
}

func (m *mesh) addresses(consumer, producer string) []any {
	addresses, ok := m.endpoints[[2]string{consumer, producer}]
	if !ok && consumer == producer {
		addresses = []string{podIP(m.index(producer)) + ":5000"}
	} else if !ok {
		addresses = []string{gatewayIP(m.index(producer)) + ":15443"}
	}
	var all []any
	for _, a := range addresses {
		host, port, _ := net.SplitHostPort(a)
		n, _ := strconv.Atoi(port)
		all = append(all, map[string]any{
			"endpoint":              map[string]any{"address": map[string]any{"socket_address": map[string]any{"address": host, "port_value": n}}},
			"health_status":         "HEALTHY",
			"load_balancing_weight": 1,
		})
	}
	return all
}

// gatewayAdmin is the Envoy of a gateway: it serves every service.
func (m *mesh) gatewayAdmin(name, path string) []byte {
	var all []any
	if strings.Contains(path, "dynamic_listeners") && !m.noExpose[name] {
		all = append(all, map[string]any{"name": "0.0.0.0_15443", "active_state": map[string]any{"listener": map[string]any{
			"address": map[string]any{"socket_address": map[string]any{"port_value": 15443}},
		}}})
	}
	data, _ := json.Marshal(map[string]any{"configs": all})
	return data
}
