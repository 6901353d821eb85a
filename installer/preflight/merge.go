package preflight

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/member"
)

// Merge is one service that exists in several members and starts to share
// traffic when they are joined.
type Merge struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Endpoints counts the ready endpoints per member.
	Endpoints map[string]int `json:"endpoints"`
	// Differences names what does not fit: type, headless, ports.
	Differences []string `json:"differences,omitempty"`
	// System is true for what belongs to Kubernetes, Istio or eastwest itself.
	System bool `json:"system"`
}

// Host is the service as NAMESPACE/NAME.
func (m Merge) Host() string { return m.Namespace + "/" + m.Name }

// Merges lists every service that exists in two or more members, system
// namespaces last. istiod itself leaves out kube-system, default/kubernetes and
// its own Service, so these are not listed.
func Merges(services map[string][]member.Service, istioNamespace string) []Merge {
	byHost := map[string]map[string]member.Service{}
	for name, list := range services {
		for _, service := range list {
			if neverMerged(service, istioNamespace) {
				continue
			}
			host := service.Namespace + "/" + service.Name
			if byHost[host] == nil {
				byHost[host] = map[string]member.Service{}
			}
			byHost[host][name] = service
		}
	}
	var merges []Merge
	for host, in := range byHost {
		if len(in) < 2 {
			continue
		}
		namespace, name, _ := strings.Cut(host, "/")
		merge := Merge{
			Namespace: namespace, Name: name, Endpoints: map[string]int{}, Differences: differences(in),
			System: systemNamespace(namespace, istioNamespace),
		}
		for memberName, service := range in {
			merge.Endpoints[memberName] = service.Ready
		}
		merges = append(merges, merge)
	}
	sort.Slice(merges, func(i, j int) bool {
		if merges[i].System != merges[j].System {
			return !merges[i].System
		}
		return merges[i].Host() < merges[j].Host()
	})
	return merges
}

// neverMerged are the services istiod keeps local by itself.
// Source: istio.io/istio/pilot/pkg/model/cluster_local.go.
func neverMerged(service member.Service, istioNamespace string) bool {
	return service.Namespace == "kube-system" ||
		service.Namespace == "default" && service.Name == "kubernetes" ||
		service.Namespace == istioNamespace && strings.HasPrefix(service.Name, "istiod")
}

func systemNamespace(namespace, istioNamespace string) bool {
	return strings.HasPrefix(namespace, "kube-") || namespace == istioNamespace ||
		namespace == "eastwest-system" || strings.HasPrefix(namespace, "eastwest-verify-")
}

func differences(in map[string]member.Service) []string {
	var found []string
	for _, field := range []struct {
		what  string
		value func(member.Service) string
	}{
		{"type", func(s member.Service) string { return s.Type }},
		{"headless", func(s member.Service) string { return fmt.Sprint(s.Headless) }},
		{"ports", func(s member.Service) string { return strings.Join(s.Ports, " ") }},
	} {
		values := map[string][]string{}
		for _, name := range sortedKeys(in) {
			value := field.value(in[name])
			values[value] = append(values[value], name)
		}
		if len(values) < 2 {
			continue
		}
		var parts []string
		for _, value := range sortedKeys(values) {
			parts = append(parts, fmt.Sprintf("%s in %s", value, strings.Join(values[value], ", ")))
		}
		found = append(found, field.what+": "+strings.Join(parts, "; "))
	}
	return found
}

// Unaccepted are the merges that need consent: no system namespace, and not
// kept local by clusterLocal (NAMESPACE/SERVICE or NAMESPACE/*).
func Unaccepted(merges []Merge, clusterLocal []string) []Merge {
	var open []Merge
	for _, merge := range merges {
		local := slices.Contains(clusterLocal, merge.Host()) || slices.Contains(clusterLocal, merge.Namespace+"/*")
		if !merge.System && !local {
			open = append(open, merge)
		}
	}
	return open
}
