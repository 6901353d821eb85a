package facade

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// answer is how a request is answered.
type answer int

const (
	// forbidden is the default: what is not named is refused.
	forbidden answer = iota
	// nothing is an empty list, or a watch that never sees anything.
	nothing
	// passOn asks the member.
	passOn
)

type verdict struct {
	answer answer
	reason string
}

// readable is what istiod lists and watches of a remote cluster, by API group
// and version; taken from the audit log of a remote API server:
// docs/reference/istiod-remote-access.md.
var readable = map[string][]string{
	"v1":                             {"namespaces", "nodes", "pods", "services"},
	"discovery.k8s.io/v1":            {"endpointslices"},
	"apiextensions.k8s.io/v1":        {"customresourcedefinitions"},
	"networking.istio.io/v1":         {"workloadentries"},
	"networking.istio.io/v1beta1":    {"workloadentries"},
	"networking.istio.io/v1alpha3":   {"workloadentries"},
	"gateway.networking.k8s.io/v1":   {"gateways"},
	"multicluster.x-k8s.io/v1alpha1": {"serviceexports", "serviceimports"},
	"multicluster.x-k8s.io/v1beta1":  {"serviceexports", "serviceimports"},
}

// judge decides on a request by its path at the API server.
func judge(method, path string, query url.Values) verdict {
	if method != http.MethodGet {
		return verdict{forbidden, "nothing is written through here"}
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if slices.Contains(parts, "..") || slices.Contains(parts, ".") || slices.Contains(parts, "") && path != "/" {
		return verdict{forbidden, "the path is not in its plain form"}
	}
	if isDiscovery(parts) {
		return verdict{answer: passOn}
	}
	group, rest, ok := resource(parts)
	if !ok {
		return verdict{forbidden, "the path names no resource"}
	}
	namespace, kind, name, ok := object(rest)
	switch {
	case !ok:
		return verdict{forbidden, "no subresource is served"}
	case group == "v1" && kind == "secrets":
		if name != "" {
			return verdict{forbidden, "no Secret of another member is served"}
		}
		return verdict{answer: nothing}
	case group == "v1" && kind == "configmaps":
		return configMap(namespace, name, query)
	case slices.Contains(readable[group], kind):
		return verdict{answer: passOn}
	}
	return verdict{forbidden, kind + " of " + group + " is nothing that istiod reads"}
}

// isDiscovery reports whether a client asks which API there is.
func isDiscovery(parts []string) bool {
	switch parts[0] {
	case "version":
		return len(parts) == 1
	case "api":
		return len(parts) <= 2
	case "apis":
		return len(parts) <= 3
	}
	return false
}

// resource splits the group and version off a path.
func resource(parts []string) (group string, rest []string, ok bool) {
	switch {
	case parts[0] == "api" && len(parts) > 2:
		return parts[1], parts[2:], true
	case parts[0] == "apis" && len(parts) > 3:
		return parts[1] + "/" + parts[2], parts[3:], true
	}
	return "", nil, false
}

// object takes the rest of a path apart: [namespaces/NAMESPACE/]KIND[/NAME].
func object(rest []string) (namespace, kind, name string, ok bool) {
	if rest[0] == "namespaces" && len(rest) > 2 {
		namespace, rest = rest[1], rest[2:]
	}
	switch len(rest) {
	case 1:
		return namespace, rest[0], "", true
	case 2:
		return namespace, rest[0], rest[1], true
	}
	return "", "", "", false
}

// configMap allows the one that holds the mesh's configuration: istiod asks for
// it by a field selector on its name.
func configMap(namespace, name string, query url.Values) verdict {
	if selector, found := strings.CutPrefix(query.Get("fieldSelector"), "metadata.name="); found && name == "" {
		name = selector
	}
	if namespace != "" && (name == "istio" || strings.HasPrefix(name, "istio-")) && !strings.ContainsAny(name, ",=") {
		return verdict{answer: passOn}
	}
	return verdict{forbidden, "of ConfigMaps only istiod's own is served"}
}
