package render

import (
	"path"
	"slices"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/manifests"
)

const platformFolder = "charts/eastwest-gateway/platforms"

// Platforms lists the names of the platform presets.
func Platforms() []string {
	entries, err := manifests.FS.ReadDir(platformFolder)
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	sort.Strings(names)
	return names
}

// Platform returns the gateway values of a preset; none for an empty name.
func Platform(name string) (Values, error) {
	if name == "" {
		return nil, nil
	}
	if !slices.Contains(Platforms(), name) {
		return nil, problem.New(problem.Input, "UnknownPlatform", "no platform preset %q", name).
			WithFix("use one of %s, or none and set values", strings.Join(Platforms(), ", "))
	}
	text, err := manifests.FS.ReadFile(path.Join(platformFolder, name+".yaml"))
	if err != nil {
		return nil, err
	}
	values := Values{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	return values, nil
}

// Set parses `--set` arguments (a.b=c, lists and escapes as in Helm).
func Set(arguments []string) (Values, error) {
	values := Values{}
	for _, argument := range arguments {
		if err := strvals.ParseInto(argument, values); err != nil {
			return nil, problem.New(problem.Input, "ValuesInvalid", "--set %s", argument).Because(err).
				WithFix("write --set name=value, or name.sub=value")
		}
	}
	return values, nil
}

// Merge lays later values over earlier ones: maps merge, all else is replaced.
func Merge(layers ...Values) Values {
	merged := map[string]any{}
	for _, layer := range layers {
		mergeInto(merged, layer)
	}
	return merged
}

func mergeInto(into, from map[string]any) {
	for key, value := range from {
		lower, isMap := value.(map[string]any)
		if !isMap {
			into[key] = value
			continue
		}
		existing, ok := into[key].(map[string]any)
		if !ok {
			existing = map[string]any{}
		} else {
			existing = Merge(existing)
		}
		mergeInto(existing, lower)
		into[key] = existing
	}
}
