package installer

import (
	"context"
	"fmt"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// everything is the host pattern that exposes every service.
const everything = "*.local"

// checkChosen refuses to expose only chosen services where that would lose live
// traffic: consumers pick the endpoints of every member, exposed or not, so a
// service with endpoints in several members must be exposed, or stay local in
// every consumer.
func (in *Installer) checkChosen(ctx context.Context) error {
	hosts := in.mesh.Spec.Expose.Hosts
	for _, host := range hosts {
		if host == everything || host == "*" {
			return nil
		}
	}
	merges := preflight.Merges(in.services(ctx), in.mesh.Spec.IstioNamespace)
	var lost []string
	for _, merge := range merges {
		host := merge.Name + "." + merge.Namespace + ".svc.cluster.local"
		if merge.System || inMembers(merge) < 2 || matchesHost(hosts, host) || in.localEverywhere(host, merge.Namespace) {
			continue
		}
		lost = append(lost, host)
	}
	if len(lost) == 0 {
		return nil
	}
	return problem.New(problem.Refused, "ChosenServicesLoseTraffic",
		"%d services have endpoints in several members but would not be exposed, so calls to their remote endpoints would fail: %s",
		len(lost), strings.Join(lost, ", ")).
		WithFix("expose them too, or keep them local in the meshConfig of every istiod: serviceSettings: [{settings: {clusterLocal: true}, hosts: [%s]}]", quoted(lost))
}

func inMembers(merge preflight.Merge) int {
	members := 0
	for _, ready := range merge.Endpoints {
		if ready > 0 {
			members++
		}
	}
	return members
}

// matchesHost reports whether a host is named by, or falls under, one of the patterns.
func matchesHost(patterns []string, host string) bool {
	for _, pattern := range patterns {
		_, pattern, _ = cutNamespace(pattern)
		if pattern == host {
			return true
		}
		if suffix, isWild := strings.CutPrefix(pattern, "*"); isWild && strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// cutNamespace splits a Gateway host of the form NAMESPACE/HOST.
func cutNamespace(pattern string) (namespace, host string, found bool) {
	if namespace, host, found = strings.Cut(pattern, "/"); found {
		return namespace, host, true
	}
	return "", pattern, false
}

func (in *Installer) localEverywhere(host, namespace string) bool {
	for _, s := range in.alive() {
		if !localHost(s.plane().ClusterLocalHosts, host, namespace) {
			return false
		}
	}
	return true
}

func quoted(hosts []string) string {
	parts := make([]string, len(hosts))
	for i, host := range hosts {
		parts[i] = fmt.Sprintf("%q", host)
	}
	return strings.Join(parts, ", ")
}
