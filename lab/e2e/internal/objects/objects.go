// Package objects compares what is in a cluster at two times: every object that
// somebody wants, without what the API server and controllers write by themselves.
// It is for the suites, and knows nothing of how objects are read.
package objects

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// Snapshot is the objects of a cluster by "KIND NS/NAME".
type Snapshot map[string]map[string]any

// controllerMade are the kinds that follow from other objects or from time.
var controllerMade = []string{
	"Event", "Lease", "Endpoints", "EndpointSlice", "Pod", "ReplicaSet", "ControllerRevision", "ComponentStatus",
}

// Parse reads a list of objects, as kubectl prints it in JSON.
func Parse(list []byte) (Snapshot, error) {
	var all struct{ Items []map[string]any }
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, err
	}
	s := Snapshot{}
	for _, o := range all.Items {
		kind, _ := o["kind"].(string)
		if slices.Contains(controllerMade, kind) {
			continue
		}
		metadata := Child(o, "metadata")
		key := fmt.Sprintf("%s %v/%v", kind, metadata["namespace"], metadata["name"])
		s[strings.ReplaceAll(key, "<nil>/", "")] = bare(o)
	}
	return s, nil
}

// bare takes away versions, generations, identities, times and status, the marks
// of restarts and leases, and the content of what istiod makes by itself.
func bare(o map[string]any) map[string]any {
	metadata := Child(o, "metadata")
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
		delete(metadata, field)
	}
	for _, annotation := range []string{"deployment.kubernetes.io/revision", "control-plane.alpha.kubernetes.io/leader"} {
		delete(Child(metadata, "annotations"), annotation)
	}
	template := Child(Child(Child(o, "spec"), "template"), "metadata")
	delete(Child(template, "annotations"), "kubectl.kubernetes.io/restartedAt")
	for _, holder := range []map[string]any{metadata, template} {
		if len(Child(holder, "annotations")) == 0 {
			delete(holder, "annotations")
		}
	}
	delete(o, "status")
	if metadata["name"] == "istio-ca-root-cert" {
		delete(o, "data")
	}
	return o
}

// Child is the map under a key, or an empty one.
func Child(of map[string]any, key string) map[string]any {
	m, _ := of[key].(map[string]any)
	return m
}

// Without leaves out the objects whose key contains one of the texts.
func (s Snapshot) Without(texts ...string) Snapshot {
	left := maps.Clone(s)
	for key := range left {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(key, text) }) {
			delete(left, key)
		}
	}
	return left
}

// Differences says what is gone, changed or left behind; nil for nothing.
func Differences(before, after Snapshot) error {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[key]; !ok {
			all = append(all, "gone: "+key)
		} else if diff := cmp.Diff(before[key], after[key]); diff != "" {
			all = append(all, fmt.Sprintf("changed: %s (-before +after)\n%s", key, diff))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[key]; !ok {
			all = append(all, "left behind: "+key)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("%d differences:\n%s", len(all), strings.Join(all, "\n"))
}
