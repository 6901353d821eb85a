package mcs

import (
	"fmt"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Warnings are about what a member exports: services that are larger than is good, and
// namespaces that clusters have for other purposes (GKE's guide to multi-cluster
// Services, limits). They are in the order of names.
func Warnings(view *model.View, member model.MemberName) []string {
	var out []string
	ports, exports := 0, false
	for service := range view.Services.All() {
		ports += len(service.Ports)
		if slices.Contains(service.Exporters, member) {
			exports = true
			out = append(out, warningsOf(service)...)
		}
	}
	slices.Sort(out)
	if len(out) > mostWarnings {
		out = append(out[:mostWarnings], "and more")
	}
	if exports && ports > mostPorts {
		out = append(out, tooMany(ports, "service ports are exported in the mesh", mostPorts))
	}
	return out
}

// mostWarnings bounds what is said of a member.
const mostWarnings = 20

func warningsOf(service *model.Service) []string {
	var out []string
	about := "service " + service.Key.String() + ": "
	if count := len(service.Exporters); count > mostExporters {
		out = append(out, about+tooMany(count, "clusters export it", mostExporters))
	}
	if count := podsOf(service); count > mostPods {
		out = append(out, about+tooMany(count, "endpoints", mostPods))
	}
	if namespace := service.Key.Namespace; namespace == "default" || namespace == "kube-system" {
		out = append(out, about+"services of namespace "+namespace+" are easily exported by mistake")
	}
	return out
}

func tooMany(count int, of string, most int) string {
	return fmt.Sprintf("%d %s, where %d are recommended at most", count, of, most)
}

func podsOf(service *model.Service) int {
	pods := 0
	for i := range service.Backends {
		for _, slice := range service.Backends[i].Slices {
			pods += slice.Endpoints.Len()
		}
	}
	return pods
}
