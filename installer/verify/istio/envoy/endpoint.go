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
		Health string   `json:"health_status"`
		Weight *float64 `json:"load_balancing_weight"`
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
	inUse, total := priorityInUse(localities), 0.0
	for _, l := range localities {
		sum := l.healthyWeight()
		for _, e := range l.Endpoints {
			socket := e.Endpoint.Address.Socket
			one := Endpoint{Address: socket.Address, Port: socket.Port, Priority: l.Priority, Healthy: healthy(e.Health)}
			if one.Healthy && l.Priority == inUse {
				one.Share = weight(e.Weight)
				if l.Weight != nil {
					// With a locality weight, Envoy first picks the locality.
					one.Share *= *l.Weight / sum
				}
			}
			total += one.Share
			all = append(all, one)
		}
	}
	for i := range all {
		if total > 0 {
			all[i].Share /= total
		}
	}
	return all
}

// priorityInUse is -1 where no endpoint is healthy.
func priorityInUse(localities []localityDump) int {
	inUse := -1
	for _, l := range localities {
		if l.healthyWeight() > 0 && (inUse < 0 || l.Priority < inUse) {
			inUse = l.Priority
		}
	}
	return inUse
}

func (l localityDump) healthyWeight() float64 {
	sum := 0.0
	for _, e := range l.Endpoints {
		if healthy(e.Health) {
			sum += weight(e.Weight)
		}
	}
	return sum
}

// healthy takes an endpoint without a health check as one that is well.
func healthy(status string) bool { return status == "" || status == "HEALTHY" || status == "UNKNOWN" }

func weight(w *float64) float64 {
	if w == nil {
		return 1
	}
	return *w
}
