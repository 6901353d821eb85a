package clusterdns

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// operatorServer is the name of our entry among the operator's servers.
const operatorServer = "eastwest"

// operatorHook gives OpenShift's DNS operator a server to forward to.
func operatorHook(have *unstructured.Unstructured) Hook {
	place := "the servers of OpenShift's DNS operator"
	changed := func(t Target, wanted map[string]any) (Change, error) {
		servers, _, err := unstructured.NestedSlice(have.Object, "spec", "servers")
		if err != nil {
			return Change{}, fmt.Errorf("DNS %s: %w", have.GetName(), err)
		}
		ours := slices.IndexFunc(servers, func(one any) bool { return nameOf(one) == operatorServer })
		for i, one := range servers {
			if i == ours || wanted == nil || !slices.ContainsFunc(zonesOf(one), func(zone string) bool { return sameZone(zone, t.Zone) }) {
				continue
			}
			if ours < 0 && sameEntry(one, wanted) {
				return Change{Operator: have.DeepCopy(), Same: true}, nil // somebody did it by hand
			}
			return Change{}, taken(place, "the entry "+nameOf(one))
		}
		out := have.DeepCopy()
		if ours < 0 && wanted == nil || ours >= 0 && wanted != nil && sameEntry(servers[ours], wanted) {
			return Change{Operator: out, Same: true}, nil
		}
		if ours >= 0 {
			servers = slices.Delete(servers, ours, ours+1)
		}
		if wanted != nil {
			servers = append(servers, wanted)
		}
		if len(servers) == 0 {
			unstructured.RemoveNestedField(out.Object, "spec", "servers")
		} else if err := unstructured.SetNestedSlice(out.Object, servers, "spec", "servers"); err != nil {
			return Change{}, fmt.Errorf("DNS %s: %w", have.GetName(), err)
		}
		return Change{Operator: out}, nil
	}
	return Hook{
		Place: place,
		Steps: func(t Target) []string {
			return []string{fmt.Sprintf("add to spec.servers (oc edit dns.operator/default): {name: clusterset, zones: [%s], forwardPlugin: {upstreams: [%s]}}",
				t.Zone, strings.Join(t.Servers, ", "))}
		},
		Point: func(t Target) (Change, error) {
			upstreams := make([]any, len(t.Servers))
			for i, one := range t.Servers {
				upstreams[i] = one
			}
			return changed(t, map[string]any{
				"name": operatorServer, "zones": []any{t.Zone},
				"forwardPlugin": map[string]any{"upstreams": upstreams},
			})
		},
		Restore: func(t Target) (Change, error) { return changed(t, nil) },
	}
}

func nameOf(server any) string {
	fields, _ := server.(map[string]any)
	name, _, _ := unstructured.NestedString(fields, "name")
	return name
}

func zonesOf(server any) []string {
	fields, _ := server.(map[string]any)
	zones, _, _ := unstructured.NestedStringSlice(fields, "zones")
	return zones
}

// sameEntry compares what is ours; the operator adds defaults to it.
func sameEntry(have any, wanted map[string]any) bool {
	fields, _ := have.(map[string]any)
	plugin, _, _ := unstructured.NestedStringSlice(fields, "forwardPlugin", "upstreams")
	asked, _, _ := unstructured.NestedStringSlice(wanted, "forwardPlugin", "upstreams")
	return slices.Equal(plugin, asked) && slices.Equal(zonesOf(have), zonesOf(wanted))
}
