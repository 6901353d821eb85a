package facts

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// RevisionLabel is where istiod, tags and namespaces carry a revision.
const RevisionLabel = "istio.io/rev"

const defaultRoot = "istio-system"

// syncOf reads istiod's /debug/clusterz.
func syncOf(data []byte) (map[string]string, error) {
	var rows []struct {
		ID    string `json:"id"`
		State string `json:"syncStatus"`
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, fmt.Errorf("decode /debug/clusterz: %w", err)
	}
	sync := map[string]string{}
	for _, r := range rows {
		sync[r.ID] = r.State
	}
	return sync, nil
}

// revisionOf is the revision in the name of istiod's ConfigMap: "istio" is that
// of the default revision, "istio-REV" any other.
func revisionOf(configMap string) (string, bool) {
	if configMap == "istio" {
		return "default", true
	}
	return strings.CutPrefix(configMap, "istio-")
}

// meshesOf reads the mesh configuration of every revision.
func meshesOf(configMaps []corev1.ConfigMap) map[string]Mesh {
	meshes := map[string]Mesh{}
	for _, c := range configMaps {
		revision, ok := revisionOf(c.Name)
		if text, has := c.Data["mesh"]; ok && has {
			meshes[revision] = meshOf(text)
		}
	}
	return meshes
}

// meshOf reads one mesh configuration; what is not set is istiod's default.
func meshOf(text string) Mesh {
	var config struct {
		RootNamespace      string `json:"rootNamespace"`
		AutoMTLS           *bool  `json:"enableAutoMtls"`
		DiscoverySelectors []any  `json:"discoverySelectors"`
		Services           []struct {
			Settings struct {
				ClusterLocal bool `json:"clusterLocal"`
			} `json:"settings"`
			Hosts []string `json:"hosts"`
		} `json:"serviceSettings"`
	}
	mesh := Mesh{RootNamespace: defaultRoot, AutoMTLS: true}
	if yaml.Unmarshal([]byte(text), &config) != nil {
		return mesh
	}
	if config.RootNamespace != "" {
		mesh.RootNamespace = config.RootNamespace
	}
	if config.AutoMTLS != nil {
		mesh.AutoMTLS = *config.AutoMTLS
	}
	mesh.Selects = len(config.DiscoverySelectors) > 0
	for _, s := range config.Services {
		if s.Settings.ClusterLocal {
			mesh.ClusterLocal = append(mesh.ClusterLocal, s.Hosts...)
		}
	}
	return mesh
}

// Mesh is the configuration of a revision, or istiod's defaults.
func (c Cluster) Mesh(revision string) Mesh {
	if mesh, ok := c.Meshes[revision]; ok {
		return mesh
	}
	if len(c.Meshes) == 1 {
		for _, mesh := range c.Meshes {
			return mesh
		}
	}
	return Mesh{RootNamespace: defaultRoot, AutoMTLS: true}
}
