package discovery

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/admin"
	"github.com/eastwest-mesh/eastwest/discovery/derived"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/resolve"
	"github.com/eastwest-mesh/eastwest/discovery/status"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// lookup bounds what is read from the own cluster to answer one question.
const lookup = 5 * time.Second

// sources answer the questions of people.
func (a *Agent) sources() admin.Sources {
	return admin.Sources{
		Members: a.inspectMembers, View: a.view, Evidence: a.evidence,
		Proxies: func() any { return a.proxies() },
		Proxy: func(node string) (any, bool) {
			if a.publisher == nil {
				return nil, false
			}
			return a.publisher.DumpProxy(node)
		},
		Published: func() any {
			if a.publisher == nil {
				return []publish.Resource{}
			}
			return a.publisher.Dump(a.own)
		},
	}
}

func (a *Agent) proxies() []publish.Proxy {
	if a.publisher == nil {
		return []publish.Proxy{}
	}
	return append([]publish.Proxy{}, a.publisher.Proxies()...)
}

// inspected is a member as the admin port shows it: what its object says, and what
// would be too much for one.
type inspected struct {
	Name model.MemberName `json:"name"`
	Own  bool             `json:"own,omitempty"`
	v1alpha1.MemberClusterSpec
	v1alpha1.MemberClusterStatus
	Origin  string           `json:"origin,omitempty"`
	Since   *metav1.Time     `json:"since,omitempty"`
	Faults  []status.Fault   `json:"faults,omitempty"`
	Pending []status.Fault   `json:"pending,omitempty"`
	Records []status.Problem `json:"records,omitempty"`
	Exports []status.Problem `json:"exports,omitempty"`
	Watched map[string]int   `json:"watched,omitempty"`
	Dropped map[string]int   `json:"dropped,omitempty"`
}

func (a *Agent) inspectMembers() any {
	all, _ := a.members.standings()
	state, now := a.loop.State(), time.Now()
	out := make([]inspected, 0, len(all))
	for i := range all {
		member := a.shown(&all[i], state)
		object := status.Wanted(member, nil, now)
		// Only the objects in the cluster know since when their conditions hold.
		object.Status.Conditions = nil
		one := inspected{
			Name: member.Name, Own: member.Own, MemberClusterSpec: object.Spec, MemberClusterStatus: object.Status,
			Origin: all[i].origin, Faults: member.Faults, Pending: member.Pending, Records: member.Records, Exports: member.Exports,
		}
		if counts := all[i].Counts; all[i].watched {
			one.Since, one.Dropped = &metav1.Time{Time: all[i].Since}, counts.Dropped
			one.Watched = map[string]int{
				"services": counts.Services, "endpointslices": counts.Slices, "serviceexports": counts.Exports,
				"bytes": counts.Bytes, "events": counts.Events, "swaps": all[i].Swaps,
			}
		}
		out = append(out, one)
	}
	return out
}

// evidence gathers what is known of one service along the data path.
func (a *Agent) evidence(ctx context.Context, key model.ServiceKey) admin.Evidence {
	out := admin.Evidence{Service: key, From: a.loop.translation.from}
	state := a.loop.State()
	if state != nil {
		out.View, out.Untranslated = state.View, untranslated(state)
	}
	all, _ := a.members.standings()
	for i := range all {
		shown := a.shown(&all[i], state)
		one := admin.MemberEvidence{Name: all[i].name, Watched: all[i].watched, State: all[i].State}
		one.Description, one.Fix, _ = strings.Cut(status.Wanted(shown, nil, time.Now()).Status.Description, status.Fix)
		if link := shown.Link; link != nil && !link.OK {
			one.Unreached = link.Hop + ": " + link.Message
		}
		if found, watched := a.members.explain(all[i].name, key); watched {
			fill(&one, found)
		}
		out.Members = append(out.Members, one)
	}
	if a.publisher != nil {
		out.Here = a.here(ctx, key)
	}
	return out
}

// untranslated are the problems that keep something from gateways. A name that has
// addresses of before does not.
func untranslated(state *State) []admin.Untranslated {
	var out []admin.Untranslated
	for _, one := range state.Problems {
		if seen := state.View.Members[one.Member]; seen != nil && one.Reason == resolve.Unresolved && len(seen.Gateways) > 0 {
			continue
		}
		out = append(out, admin.Untranslated{Member: one.Member, Service: one.Service, Reason: string(one.Reason), Message: one.Message})
	}
	return out
}

func fill(one *admin.MemberEvidence, found watch.Explanation) {
	one.Service, one.Exported, one.ByPolicy = found.Service, found.Exported, found.ByPolicy
	one.Endpoints, one.Serving, one.Draining, one.Offered = found.Endpoints, found.Serving, found.Draining, found.Offered
	if wrong := found.Problem; wrong != nil && wrong.Withheld {
		one.Withheld, one.Remedy = wrong.Reason+": "+wrong.Message, status.Remedy(wrong.Reason)
	}
	for _, drop := range found.Drops {
		one.Dropped = append(one.Dropped, fmt.Sprintf("%s: %s %s", drop.Object, drop.Reason, drop.Detail))
	}
}

// explain is what the watch of a member knows of a service.
func (m *members) explain(name model.MemberName, key model.ServiceKey) (watch.Explanation, bool) {
	m.mu.Lock()
	cluster := m.clusters[name]
	m.mu.Unlock()
	if cluster == nil {
		return watch.Explanation{}, false
	}
	return cluster.Explain(key), true
}

// here is what the own cluster has of a service. It is read anew: whoever asks has
// perhaps just mended it.
func (a *Agent) here(ctx context.Context, key model.ServiceKey) *admin.Here {
	ctx, cancel := context.WithTimeout(ctx, lookup)
	defer cancel()
	out := &admin.Here{Derived: derived.Name(key), Listeners: map[uint16]uint16{}}
	namespace, err := a.kube.CoreV1().Namespaces().Get(ctx, key.Namespace, metav1.GetOptions{})
	if err == nil {
		out.Namespace = namespace.Status.Phase != corev1.NamespaceTerminating
		_, err = a.kube.CoreV1().Services(key.Namespace).Get(ctx, out.Derived, metav1.GetOptions{})
		out.Found = err == nil
	}
	if err == nil || apierrors.IsNotFound(err) {
		out.ReadyGateways, err = a.readyGateways(ctx)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		out.Unknown = "this cluster cannot be read: " + err.Error()
	}
	ports, _ := a.cluster.Ports()
	for port, listener := range ports {
		if port.Service == key {
			out.Listeners[port.Number] = listener
		}
	}
	for _, proxy := range a.proxies() {
		out.Gateways = append(out.Gateways, gatewayEvidence(proxy))
	}
	return out
}

// readyGateways counts the pods of the local gateway that are ready.
func (a *Agent) readyGateways(ctx context.Context) (int, error) {
	list, err := a.kube.DiscoveryV1().EndpointSlices(a.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + gatewayName,
	})
	if err != nil {
		return 0, err
	}
	count := 0
	for i := range list.Items {
		for _, endpoint := range list.Items[i].Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				count++
			}
		}
	}
	return count, nil
}

func gatewayEvidence(proxy publish.Proxy) admin.GatewayEvidence {
	out := admin.GatewayEvidence{Node: proxy.Node}
	for _, one := range proxy.Subscriptions {
		out.Pending = out.Pending || one.Pending
		if one.Nack != nil && one.Nack.Version == one.Sent {
			out.Nack = one.Type + ": " + one.Nack.Message
		}
	}
	return out
}
