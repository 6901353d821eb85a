package clusterdns

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// stubHook makes the zone a stub domain of kube-dns.
func stubHook(have *corev1.ConfigMap) Hook {
	changed := func(t Target, servers []string) (Change, error) {
		out := configMap(have, KubeDNS)
		domains := map[string][]string{}
		if text := out.Data[stubKey]; text != "" {
			if err := json.Unmarshal([]byte(text), &domains); err != nil {
				return Change{}, fmt.Errorf("ConfigMap %s/%s: its %s are no JSON of names and lists: %w", Namespace, KubeDNS, stubKey, err)
			}
		}
		if slices.Equal(domains[t.Zone], servers) {
			return Change{ConfigMap: out, Same: true}, nil
		}
		if domains[t.Zone] = servers; servers == nil {
			delete(domains, t.Zone)
		}
		if len(domains) == 0 {
			delete(out.Data, stubKey)
			return Change{ConfigMap: out, Delete: leftover(out)}, nil
		}
		text, err := json.Marshal(domains)
		if err != nil {
			return Change{}, fmt.Errorf("encode stub domains: %w", err)
		}
		if out.Data == nil {
			out.Data = map[string]string{}
		}
		out.Data[stubKey] = string(text)
		return Change{ConfigMap: out}, nil
	}
	return Hook{
		Place:   "the stub domains in ConfigMap " + Namespace + "/" + KubeDNS,
		Point:   func(t Target) (Change, error) { return changed(t, t.Servers) },
		Restore: func(t Target) (Change, error) { return changed(t, nil) },
	}
}

// operatorServer is the name of our entry among the operator's servers.
const operatorServer = "eastwest"

// operatorHook gives OpenShift's DNS operator a server to forward to.
func operatorHook(have *unstructured.Unstructured) Hook {
	changed := func(entry map[string]any) (Change, error) {
		servers, _, err := unstructured.NestedSlice(have.Object, "spec", "servers")
		if err != nil {
			return Change{}, fmt.Errorf("DNS %s: %w", have.GetName(), err)
		}
		var before any
		kept := slices.DeleteFunc(servers, func(one any) bool {
			server, ok := one.(map[string]any)
			if ours := ok && server["name"] == operatorServer; ours {
				before = one
				return true
			}
			return false
		})
		if entry != nil {
			kept = append(kept, entry)
		}
		out := have.DeepCopy()
		if len(kept) == 0 {
			unstructured.RemoveNestedField(out.Object, "spec", "servers")
		} else if err := unstructured.SetNestedSlice(out.Object, kept, "spec", "servers"); err != nil {
			return Change{}, fmt.Errorf("DNS %s: %w", have.GetName(), err)
		}
		return Change{Operator: out, Same: sameEntry(before, entry)}, nil
	}
	return Hook{
		Place: "the servers of OpenShift's DNS operator",
		Point: func(t Target) (Change, error) {
			upstreams := make([]any, len(t.Servers))
			for i, one := range t.Servers {
				upstreams[i] = one
			}
			return changed(map[string]any{
				"name": operatorServer, "zones": []any{t.Zone},
				"forwardPlugin": map[string]any{"upstreams": upstreams},
			})
		},
		Restore: func(Target) (Change, error) { return changed(nil) },
	}
}

// sameEntry compares what is ours; the operator adds defaults to it.
func sameEntry(before any, entry map[string]any) bool {
	have, found := before.(map[string]any)
	if !found || entry == nil {
		return !found && entry == nil
	}
	plugin, _, _ := unstructured.NestedStringSlice(have, "forwardPlugin", "upstreams")
	wanted, _, _ := unstructured.NestedStringSlice(entry, "forwardPlugin", "upstreams")
	zones, _, _ := unstructured.NestedStringSlice(have, "zones")
	asked, _, _ := unstructured.NestedStringSlice(entry, "zones")
	return slices.Equal(plugin, wanted) && slices.Equal(zones, asked)
}
