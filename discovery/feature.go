package discovery

import (
	"context"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/eastwest-mesh/eastwest/discovery/mcs"
	"github.com/eastwest-mesh/eastwest/discovery/status"
)

// feature is a member's part in multi-cluster Services; state is nil before there is
// a view.
func (a *Agent) feature(one *standing, state *State) status.Feature {
	file := &a.Settings.File
	out := status.Feature{Across: one.record.Network != file.Member.Network}
	if one.own {
		out.Off, out.Foreign = !file.MCS.On(), file.MCS.Foreign
		if found, known := a.imports.Standing(); known {
			out.Unserved, out.Foreign, out.Denied = found.Unserved, found.Foreign, found.Denied
		}
		if set := a.clusterset.Load(); set != nil && *set != file.Mesh {
			out.Clusterset = *set
		}
	}
	if state == nil {
		return out
	}
	networks := map[string]bool{}
	for _, member := range state.View.Members {
		networks[string(member.Network)] = true
	}
	out.Networks = slices.Sorted(maps.Keys(networks))
	out.Warnings = mcs.Warnings(state.View, one.name)
	return out
}

// setEvery is how often it is looked which set the own cluster says it is in.
const setEvery = 30 * time.Second

// properties are those of KEP-2149, and propertySet the one that names the set.
var properties = schema.GroupVersionResource{Group: "about.k8s.io", Version: "v1beta1", Resource: "clusterproperties"}

const propertySet = "clusterset.k8s.io"

// knowClusterset keeps up which set the own cluster says it is in, until ctx ends. A
// set that we name ourselves is the mesh.
func (a *Agent) knowClusterset(ctx context.Context) {
	ticker := time.NewTicker(setEvery)
	defer ticker.Stop()
	for {
		if found, err := a.dynamic.Resource(properties).Get(ctx, propertySet, metav1.GetOptions{}); err == nil {
			if value, _, err := unstructured.NestedString(found.Object, "spec", "value"); err == nil {
				a.clusterset.Store(&value)
			}
		} else {
			a.clusterset.Store(nil) // nobody says, or nobody is asked
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
