package installer

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// CheckMerge lists every service that starts to share traffic when the members
// are joined, and asks for consent to those that are not Kubernetes' or Istio's
// own. Pairs that are linked already share theirs and are not asked again.
func (in *Installer) CheckMerge(ctx context.Context) error {
	merges := preflight.Merges(in.services(ctx), in.mesh.Spec.IstioNamespace)
	in.mu.Lock()
	in.report.Merges = merges
	in.mu.Unlock()
	local := append([]string{}, in.mesh.Spec.Peers.ClusterLocal...)
	if err := in.checkClusterLocal(local); err != nil {
		return err
	}
	open, err := in.newMerges(preflight.Unaccepted(merges, local))
	if err != nil || len(open) == 0 || in.mesh.Spec.Peers.AcceptMerge {
		return err
	}
	var lines []string
	for _, merge := range open {
		lines = append(lines, describeMerge(merge))
	}
	list := strings.Join(lines, "; ")
	if in.options.Confirm != nil && in.options.Confirm(fmt.Sprintf("These services start to share traffic between clusters: %s. Join them?", list)) {
		return nil
	}
	return problem.New(problem.Refused, "MergeNotAccepted", "%d services exist in several members and would start to share traffic: %s", len(open), list).
		WithFix("look at the list and say --accept-merge, or keep some apart with --cluster-local NAMESPACE/SERVICE")
}

// services lists the Services of every living member.
func (in *Installer) services(ctx context.Context) map[string][]member.Service {
	var mu sync.Mutex
	services := map[string][]member.Service{}
	in.each(ctx, "services", func(ctx context.Context, s *site) error {
		list, err := s.member.Services(ctx)
		mu.Lock()
		defer mu.Unlock()
		services[s.name()] = list
		return err
	})
	return services
}

func describeMerge(merge preflight.Merge) string {
	var counts []string
	for _, name := range sortedNames(merge.Endpoints) {
		counts = append(counts, fmt.Sprintf("%s %d", name, merge.Endpoints[name]))
	}
	text := merge.Host() + " (endpoints: " + strings.Join(counts, ", ") + ")"
	if len(merge.Differences) > 0 {
		text += " differs in " + strings.Join(merge.Differences, ", ")
	}
	return text
}

// newMerges are the merges between members of which some pair is not linked yet.
func (in *Installer) newMerges(merges []preflight.Merge) ([]preflight.Merge, error) {
	links, err := in.links()
	if err != nil {
		return nil, err
	}
	var fresh []preflight.Merge
	for _, merge := range merges {
		for _, link := range links {
			_, inConsumer := merge.Endpoints[link.Consumer]
			_, inProducer := merge.Endpoints[link.Producer]
			if inConsumer && inProducer && !in.linked(link) {
				fresh = append(fresh, merge)
				break
			}
		}
	}
	return fresh, nil
}

// linked reports whether a consumer has a remote secret for a producer. Members
// that are out of the run gain no link.
func (in *Installer) linked(link config.Link) bool {
	consumer, producer := in.site(link.Consumer), in.site(link.Producer)
	if !consumer.alive() || !producer.alive() {
		return true
	}
	_, found := remoteKey(consumer, producer)
	return found
}

// checkClusterLocal makes sure that what is said to stay local does: that is a
// setting of each consumer's istiod, which eastwest does not change.
func (in *Installer) checkClusterLocal(local []string) error {
	for _, s := range in.alive() {
		for _, service := range local {
			namespace, name, _ := strings.Cut(service, "/")
			host := name + "." + namespace + ".svc.cluster.local"
			if !localHost(s.plane().ClusterLocalHosts, host, namespace) {
				return problem.New(problem.Refused, "NotClusterLocal", "%s is to stay local, but this istiod would merge it", service).
					On(s.name()).About("ConfigMap "+in.mesh.Spec.IstioNamespace+"/"+s.plane().MeshConfigMap()).
					WithFix("set in its meshConfig: serviceSettings: [{settings: {clusterLocal: true}, hosts: [%q]}]", host)
			}
		}
	}
	return nil
}

func localHost(hosts []string, host, namespace string) bool {
	for _, one := range hosts {
		if one == host || one == "*."+namespace+".svc.cluster.local" {
			return true
		}
	}
	return false
}
