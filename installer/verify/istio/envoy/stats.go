package envoy

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Stats are counters by Envoy's name.
type Stats map[string]uint64

// ParseStats reads the answer to StatsPath; histograms are left out.
func ParseStats(data []byte) (Stats, error) {
	var all struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("decode Envoy's stats: %w", err)
	}
	stats := Stats{}
	for _, s := range all.Stats {
		var value uint64
		if json.Unmarshal(s.Value, &value) == nil && s.Name != "" {
			stats[s.Name] = value
		}
	}
	return stats, nil
}

// Cluster is a counter of one cluster. Istio ends the names of clusters with a
// ';' in its statistics in some versions.
func (s Stats) Cluster(name, counter string) uint64 {
	for _, end := range []string{"", ";"} {
		if value, ok := s["cluster."+name+end+"."+counter]; ok {
			return value
		}
	}
	return 0
}

// Sum adds all counters with an ending, such as "rbac.denied".
func (s Stats) Sum(ending string) uint64 {
	var sum uint64
	for name, value := range s {
		if strings.HasSuffix(name, ending) {
			sum += value
		}
	}
	return sum
}
