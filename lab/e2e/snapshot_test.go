//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// snapshot is every object of a cluster that somebody wants, by "KIND NS/NAME":
// without what the API server and controllers write by themselves.
type snapshot map[string]map[string]any

// controllerMade are the kinds that follow from other objects or from time.
var controllerMade = []string{
	"Event", "Lease", "Endpoints", "EndpointSlice", "Pod", "ReplicaSet", "ControllerRevision", "ComponentStatus",
}

// snap reads all objects of cluster i.
func snap(ctx context.Context, i int) (snapshot, error) {
	kinds, err := try(ctx, i, "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		return nil, err
	}
	return snapOf(ctx, i, strings.Join(strings.Fields(kinds), ","))
}

// snapOf reads the objects of some kinds.
func snapOf(ctx context.Context, i int, kinds string) (snapshot, error) {
	text, err := try(ctx, i, "get", kinds, "-A", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	s := snapshot{}
	for _, o := range list.Items {
		kind, _ := o["kind"].(string)
		if slices.Contains(controllerMade, kind) {
			continue
		}
		metadata := child(o, "metadata")
		key := fmt.Sprintf("%s %v/%v", kind, metadata["namespace"], metadata["name"])
		s[strings.ReplaceAll(key, "<nil>/", "")] = bare(o)
	}
	return s, nil
}

// bare takes away versions, generations, identities, times and status, the marks
// of restarts and leases, and the content of what istiod makes by itself.
func bare(o map[string]any) map[string]any {
	metadata := child(o, "metadata")
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
		delete(metadata, field)
	}
	for _, annotation := range []string{"deployment.kubernetes.io/revision", "control-plane.alpha.kubernetes.io/leader"} {
		delete(child(metadata, "annotations"), annotation)
	}
	template := child(child(child(o, "spec"), "template"), "metadata")
	delete(child(template, "annotations"), "kubectl.kubernetes.io/restartedAt")
	for _, holder := range []map[string]any{metadata, template} {
		if len(child(holder, "annotations")) == 0 {
			delete(holder, "annotations")
		}
	}
	delete(o, "status")
	if metadata["name"] == "istio-ca-root-cert" {
		delete(o, "data")
	}
	return o
}

// child is the map under a key, or an empty one.
func child(of map[string]any, key string) map[string]any {
	m, _ := of[key].(map[string]any)
	return m
}

// snapAll reads all objects of all clusters.
func snapAll(t *testing.T) []snapshot {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	all := make([]snapshot, len(suite.lab.Clusters))
	for i := range all {
		var err error
		if all[i], err = snap(ctx, i+1); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// without leaves out the objects whose key contains one of the texts.
func (s snapshot) without(texts ...string) snapshot {
	left := maps.Clone(s)
	for key := range left {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(key, text) }) {
			delete(left, key)
		}
	}
	return left
}

// wantSame waits until cluster i holds the same objects as before: what follows
// from a removal, such as a namespace's end, takes a moment.
func wantSame(t *testing.T, i int, before snapshot, leaveOut ...string) {
	t.Helper()
	before = before.without(leaveOut...)
	err := waitFor(t, 30*time.Second, func(ctx context.Context) error {
		after, err := snap(ctx, i)
		if err != nil {
			return err
		}
		return differences(before, after.without(leaveOut...))
	})
	if err != nil {
		t.Errorf("objects of c%d: %v", i, err)
	}
}

func differences(before, after snapshot) error {
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
