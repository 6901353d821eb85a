package envoy

import "strings"

// Cluster is an outbound cluster of a sidecar.
type Cluster struct {
	Name string
	// Rule is the path of the DestinationRule that shaped it, empty if none did.
	Rule string
}

// RuleName is "namespace/name" of the DestinationRule.
func (c Cluster) RuleName() string {
	parts := strings.Split(strings.Trim(c.Rule, "/"), "/")
	for i := 0; i+3 < len(parts); i++ {
		if parts[i] == "namespaces" {
			return parts[i+1] + "/" + parts[i+3]
		}
	}
	return c.Rule
}

type clusterDump struct {
	Cluster struct {
		Name     string `json:"name"`
		Metadata struct {
			Filter map[string]struct {
				Config string `json:"config"`
			} `json:"filter_metadata"`
		} `json:"metadata"`
	} `json:"cluster"`
}

// ParseClusters reads the answer to ClustersPath by cluster name.
func ParseClusters(data []byte) (map[string]Cluster, error) {
	dumps, err := decode[clusterDump](data, "clusters")
	if err != nil {
		return nil, err
	}
	clusters := map[string]Cluster{}
	for _, d := range dumps {
		c := Cluster{Name: d.Cluster.Name, Rule: d.Cluster.Metadata.Filter["istio"].Config}
		clusters[c.Name] = c
	}
	return clusters, nil
}
