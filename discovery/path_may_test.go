package discovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eastwest-mesh/eastwest/discovery/derived"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
)

// What the oracle cannot know, or must not insist on.

// mayStillBeCalled is true for what the own cluster withdrew a moment ago.
func (w *world) mayStillBeCalled(at key) bool {
	address, _, _ := strings.Cut(at.address, ":")
	return strings.HasPrefix(at.cluster, "outbound_.") && time.Now().Before(w.facts.ownUntil[address])
}

// mayWait reports whether a port of a service may wait until every member was seen: the
// Service that stands for it has another port that would be taken away with the same write.
func (w *world) mayWait(cluster string, wanted map[string][]host) bool {
	parts := strings.SplitN(cluster, "|", 3)
	if w.facts.complete() || len(parts) < 3 {
		return false
	}
	name, _, _ := strings.Cut(parts[2], ".")
	var one *corev1.Service
	found := false
	w.own.api.Do(func() {
		key := model.ServiceKey{Namespace: namespace, Name: name}
		one, found = w.own.api.Objects[fakeapi.ServicePath][namespace+"/"+derived.Name(key)].(*corev1.Service)
	})
	return found && slices.ContainsFunc(one.Spec.Ports, func(port corev1.ServicePort) bool {
		return wanted[fmt.Sprintf("egress|%d|%s", port.Port, parts[2])] == nil
	})
}

// mayBeClosed reports whether a replica may know that nobody needs a cluster. The one that
// writes decides for all of them which ports the own gateway has.
func (w *world) mayBeClosed(cluster string) bool {
	if !strings.HasPrefix(cluster, "egress|") {
		return false
	}
	for number := range w.replicas {
		meshes, few := w.facts.meshes(number)
		if !few || slices.ContainsFunc(meshes, func(one mesh) bool { return one.wanted()[cluster] == nil }) {
			return true
		}
	}
	return false
}

// contestedPorts reports whether exporters of the service of a cluster may have ports that
// clash: whose ports count is then decided by who was first.
func contestedPorts(cluster string, meshes []mesh) bool {
	sets := map[int]bool{}
	for _, one := range meshes {
		for _, facts := range one.known {
			for name := range facts.exports {
				if set, found := facts.services[name]; found && (strings.Contains(cluster, "|"+name+"."+namespace) || strings.Contains(cluster, "_."+name+"."+namespace)) {
					sets[set] = true
				}
			}
		}
	}
	return len(sets) > 1
}
