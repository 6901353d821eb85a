package envoy

import (
	"encoding/json"
	"fmt"
)

// Host is one address behind a cluster.
type Host struct {
	// Address is host:port.
	Address string
	// Member is whose it is: the agent writes that into the locality.
	Member   string
	Priority int
	Weight   int
	Healthy  bool
}

// Clusters are the hosts of clusters by name.
type Clusters map[string][]Host

type clusterStatus struct {
	Name  string `json:"name"`
	Hosts []struct {
		Address address `json:"address"`
		Health  struct {
			EDS     string `json:"eds_health_status"`
			Active  bool   `json:"failed_active_health_check"`
			Outlier bool   `json:"failed_outlier_check"`
			Drained bool   `json:"excluded_via_immediate_hc_fail"`
		} `json:"health_status"`
		Weight   *int `json:"weight"`
		Priority int  `json:"priority"`
		Locality struct {
			SubZone string `json:"sub_zone"`
		} `json:"locality"`
	} `json:"host_statuses"`
}

// ParseClusters reads the answer to ClustersPath.
func ParseClusters(data []byte) (Clusters, error) {
	var all struct {
		Clusters []clusterStatus `json:"cluster_statuses"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("decode Envoy's clusters: %w", err)
	}
	clusters := Clusters{}
	for _, c := range all.Clusters {
		hosts := make([]Host, len(c.Hosts))
		for i, h := range c.Hosts {
			well := h.Health.EDS == "" || h.Health.EDS == "HEALTHY" || h.Health.EDS == "UNKNOWN"
			hosts[i] = Host{
				Address: h.Address.String(), Member: h.Locality.SubZone, Priority: h.Priority, Weight: 1,
				Healthy: well && !h.Health.Active && !h.Health.Outlier && !h.Health.Drained,
			}
			if h.Weight != nil {
				hosts[i].Weight = *h.Weight
			}
		}
		clusters[c.Name] = hosts
	}
	return clusters, nil
}

// overprovision is Envoy's factor in percent: a priority of which five of seven
// hosts are healthy still takes everything.
const overprovision = 140

// Shares is the part of new connections that each member gets: first the priority
// is picked by its health, then a healthy host of it by weight. They add up to 1,
// but where nothing is healthy; what Envoy then does in panic is not said here.
func Shares(hosts []Host) map[string]float64 {
	load, sums, shares := loads(hosts), map[int]int{}, map[string]float64{}
	for _, h := range hosts {
		if h.Healthy {
			sums[h.Priority] += h.Weight
		}
	}
	for _, h := range hosts {
		if h.Healthy && sums[h.Priority] > 0 && load[h.Priority] > 0 {
			shares[h.Member] += load[h.Priority] * float64(h.Weight) / float64(sums[h.Priority])
		}
	}
	return shares
}

// loads is the part of each priority.
func loads(hosts []Host) map[int]float64 {
	healthy, all, last := map[int]int{}, map[int]int{}, 0
	for _, h := range hosts {
		all[h.Priority]++
		last = max(last, h.Priority)
		if h.Healthy {
			healthy[h.Priority]++
		}
	}
	available, total := map[int]float64{}, 0.0
	for p, n := range all {
		available[p] = min(100, float64(overprovision*healthy[p]/n))
		total += available[p]
	}
	total = min(100, total)
	load, left := map[int]float64{}, total
	for p := 0; p <= last && total > 0; p++ {
		part := min(left, available[p])
		load[p] = part / total
		left -= part
	}
	return load
}
