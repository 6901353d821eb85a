//go:build e2e

package differential

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// deadline is how long both servers have to say the same after a change. For ten
// seconds an agent still lets peers call what was withdrawn.
const deadline = 20 * time.Second

// told is what a server tells a proxy in each of the two clusters: hosts by
// "SERVICE:PORT". A host is an address, or the name of the cluster whose gateway it
// is; =N behind it is its weight where that is not 1, @N its priority where not 0.
type told [2]map[string]string

// read is what the servers of both clusters tell.
func (w *world) read(from [2]*sides.Proxy) (told, error) {
	var all told
	for i, proxy := range from {
		answers, err := proxy.Answers()
		if err != nil {
			return told{}, fmt.Errorf("proxy in cluster %d: %w", i+1, err)
		}
		all[i] = map[string]string{}
		for port, answer := range answers {
			if strings.HasPrefix(port.Service, "derived-") {
				continue // what the agents made; to istiod it is a service like any other
			}
			all[i][fmt.Sprintf("%s:%d", port.Service, port.Number)] = w.describe(answer)
		}
	}
	return all, nil
}

// both is what the istiods tell, and what the agents do.
func (w *world) both(p proxies) (istiod, agent told, err error) {
	if istiod, err = w.read(p.istiod); err != nil {
		return told{}, told{}, fmt.Errorf("istiod: %w", err)
	}
	if agent, err = w.read(p.agent); err != nil {
		return told{}, told{}, fmt.Errorf("agent: %w", err)
	}
	return istiod, agent, nil
}

func (w *world) describe(answer sides.Answer) string {
	var hosts []string
	for host, share := range answer {
		if name, is := w.gateways[host]; is {
			host = name
		}
		if share.Weight != 1 {
			host += fmt.Sprintf("=%d", share.Weight)
		}
		if share.Priority != 0 {
			host += fmt.Sprintf("@%d", share.Priority)
		}
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return strings.Join(hosts, " ")
}

// only keeps the ports of some services.
func (a told) only(keep func(service string) bool) told {
	var some told
	for i := range a {
		some[i] = maps.Clone(a[i])
		maps.DeleteFunc(some[i], func(port, _ string) bool {
			service, _, _ := strings.Cut(port, ":")
			return !keep(service)
		})
	}
	return some
}

// ports counts the ports that somebody serves.
func (a told) ports() int { return len(a[0]) + len(a[1]) }

// awaitTold waits until the istiods tell one thing and the agents another, or the
// same, of some services.
func (w *world) awaitTold(t *testing.T, istiod, agent told, services ...string) {
	t.Helper()
	rig.Await(t, "istiod and agent tell what they should", deadline, func(context.Context) error {
		return w.compare(w.asking, istiod, agent, services)
	})
}

func (w *world) compare(p proxies, istiod, agent told, services []string) error {
	theirs, ours, err := w.both(p)
	if err != nil {
		return err
	}
	asked := func(service string) bool { return slices.Contains(services, service) }
	if diff := cmp.Diff(istiod, theirs.only(asked)); diff != "" {
		return fmt.Errorf("istiod (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(agent, ours.only(asked)); diff != "" {
		return fmt.Errorf("agent (-want +got)\n%s", diff)
	}
	return nil
}

// awaitSame waits until the istiods and the agents tell the same of everything that
// is not different by design, and returns it.
func (w *world) awaitSame(t *testing.T) told {
	t.Helper()
	var same told
	rig.Await(t, "istiod and agent tell the same", deadline, func(context.Context) error {
		theirs, ours, err := w.both(w.asking)
		if err != nil {
			return err
		}
		same = theirs.only(undesigned)
		if diff := cmp.Diff(same, ours.only(undesigned)); diff != "" {
			return fmt.Errorf("(-istiod +agent)\n%s", diff)
		}
		return nil
	})
	return same
}

// testLate asks with new proxies, which are told at once what the others were told
// change by change. By now nothing is under way, so that every case must have stayed as
// it ended.
func testLate(t *testing.T, w *world) {
	same, late := w.awaitSame(t), w.ask(t)
	rig.Await(t, "new proxies are told the same", deadline, func(context.Context) error {
		theirs, ours, err := w.both(late)
		if err != nil {
			return err
		}
		if diff := cmp.Diff([]told{same, same}, []told{theirs.only(undesigned), ours.only(undesigned)}); diff != "" {
			return fmt.Errorf("(-told by changes +told at once; istiod, agent)\n%s", diff)
		}
		return w.compareAll(late)
	})
}

// compareAll wants every case as it ended.
func (w *world) compareAll(p proxies) error {
	for name, tc := range equal {
		want := tc.steps[len(tc.steps)-1].want
		if err := w.compare(p, want, want, words(tc.services)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, tc := range designed {
		if err := w.compare(p, tc.istiod, tc.agent, words(tc.service)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
