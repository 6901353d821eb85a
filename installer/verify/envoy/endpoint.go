package envoy

import "fmt"

// Endpoint is one address behind a cluster.
type Endpoint struct {
	Address string
	Port    int
	// Share is the part of new connections that its cluster's weights give it:
	// all of them add up to 1. It is 0 for an endpoint that gets none, because
	// it is unhealthy or of a priority that is not in use.
	Share    float64
	Priority int
	Healthy  bool
	// MTLS says that connections to it use Istio's mutual TLS.
	MTLS bool
}

func (e Endpoint) String() string { return fmt.Sprintf("%s:%d", e.Address, e.Port) }

type endpointDump struct {
	Config struct {
		Name       string         `json:"cluster_name"`
		Localities []localityDump `json:"endpoints"`
	} `json:"endpoint_config"`
}

type localityDump struct {
	Weight    *float64 `json:"load_balancing_weight"`
	Priority  int      `json:"priority"`
	Endpoints []struct {
		Endpoint struct {
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"address"`
		} `json:"endpoint"`
		Health   string   `json:"health_status"`
		Weight   *float64 `json:"load_balancing_weight"`
		Metadata struct {
			Filter map[string]map[string]any `json:"filter_metadata"`
		} `json:"metadata"`
	} `json:"lb_endpoints"`
}

// ParseEndpoints reads the answer to one of the endpoint paths by cluster name.
func ParseEndpoints(data []byte) (map[string][]Endpoint, error) {
	dumps, err := decode[endpointDump](data, "endpoints")
	if err != nil {
		return nil, err
	}
	all := map[string][]Endpoint{}
	for _, d := range dumps {
		all[d.Config.Name] = append(all[d.Config.Name], flatten(d.Config.Localities)...)
	}
	return all, nil
}

// flatten puts the weights of localities and endpoints into one share each. The
// lowest priority with a healthy endpoint takes all traffic.
func flatten(localities []localityDump) []Endpoint {
	var all []Endpoint
	var raw []float64
	inUse, total := -1, 0.0
	for _, l := range localities {
		healthy := 0.0
		for _, e := range l.Endpoints {
			if e.Health == "" || e.Health == "HEALTHY" || e.Health == "UNKNOWN" {
				healthy += weight(e.Weight)
			}
		}
		if healthy > 0 && (inUse < 0 || l.Priority < inUse) {
			inUse = l.Priority
		}
		for _, e := range l.Endpoints {
			socket := e.Endpoint.Address.Socket
			ok := e.Health == "" || e.Health == "HEALTHY" || e.Health == "UNKNOWN"
			all = append(all, Endpoint{
				Address: socket.Address, Port: socket.Port, Priority: l.Priority, Healthy: ok,
				MTLS: e.Metadata.Filter["envoy.transport_socket_match"]["tlsMode"] == "istio",
			})
			part := 0.0
			if ok {
				part = weight(e.Weight)
				// With a locality weight, Envoy first picks the locality.
				if l.Weight != nil {
					part = *l.Weight * weight(e.Weight) / healthy
				}
			}
			raw = append(raw, part)
		}
	}
	for i := range all {
		if all[i].Priority != inUse {
			raw[i] = 0
		}
		total += raw[i]
	}
	for i := range all {
		if total > 0 {
			all[i].Share = raw[i] / total
		}
	}
	return all
}

func weight(w *float64) float64 {
	if w == nil {
		return 1
	}
	return *w
}
