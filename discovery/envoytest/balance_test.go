//go:build envoy

package envoytest

import (
	"fmt"
	"math"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestConnectionsFollowTheNumberOfPods counts new connections: a gateway stands
// for as many pods as are behind it, also after one came.
func TestConnectionsFollowTheNumberOfPods(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	local, remote := m.pod(c1), []*pod{m.pod(c2), m.pod(c2), m.pod(c2)}
	db := m.export("db", database, map[model.MemberName][]string{c1: {local.address}, c2: {remote[0].address, remote[1].address}})
	m.publish()
	m.gateway(c2)
	m.gateway(c1)
	at := m.egress(c1, db)
	once := func() (string, error) { return greet(at) }
	for _, one := range append([]*pod{local}, remote[:2]...) {
		reach(t, at, one)
	}
	even(t, "two remote pods", shares(300, once), local, remote[0], remote[1])

	m.export("db", database, map[model.MemberName][]string{c1: {local.address}, c2: {remote[0].address, remote[1].address, remote[2].address}})
	m.publish()
	reach(t, at, remote[2])
	even(t, "three remote pods", shares(300, once), append(remote, local)...)
}

// TestRequestsFollowTheNumberOfPods counts requests over one connection of a
// client.
func TestRequestsFollowTheNumberOfPods(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	pods := []*pod{m.webPod(c1), m.webPod(c2), m.webPod(c2)}
	web := m.export("web", requests, map[model.MemberName][]string{c1: {pods[0].address}, c2: {pods[1].address, pods[2].address}})
	m.publish()
	m.gateway(c2)
	m.gateway(c1)
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "gRPC": true} {
		caller := newCaller(t, m.egress(c1, web), http2)
		await(t, "all pods answer "+name, patience, func() error {
			return missing(shares(30, caller.call), pods...)
		})
		even(t, name, shares(300, caller.call), pods...)
		if dialled := caller.dialled.Load(); dialled != 1 {
			t.Errorf("%s: the client had %d connections, want one", name, dialled)
		}
	}
}

// missing says which pods have no share, and what else has one.
func missing(counts map[string]int, pods ...*pod) error {
	for _, one := range pods {
		if counts[one.address] == 0 {
			return fmt.Errorf("%s has no share: %v", one.address, counts)
		}
	}
	if len(counts) > len(pods) {
		return fmt.Errorf("others have a share: %v", counts)
	}
	return nil
}

// even fails where a pod's share is further from the others' than four standard
// deviations of independent choices, which Envoy's rotation is well within.
func even(t *testing.T, what string, counts map[string]int, pods ...*pod) {
	t.Helper()
	total := 0
	for _, count := range counts {
		total += count
	}
	share := 1 / float64(len(pods))
	mean, deviation := float64(total)*share, math.Sqrt(float64(total)*share*(1-share))
	t.Logf("figure: %s: %v", what, counts)
	for _, one := range pods {
		if off := math.Abs(float64(counts[one.address]) - mean); off > 4*deviation {
			t.Errorf("%s: %s has %d of %d, want %.0f±%.0f", what, one.address, counts[one.address], total, mean, 4*deviation)
		}
	}
	if len(counts) != len(pods) {
		t.Errorf("%s: %v, want %d pods and no error", what, counts, len(pods))
	}
}

// TestOneClientKeepsItsPod of a service with affinity, and many clients use all of them.
func TestOneClientKeepsItsPod(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	pods := []*pod{m.pod(c1), m.pod(c1), m.pod(c2)}
	db := m.export("db", database, map[model.MemberName][]string{c1: {pods[0].address, pods[1].address}, c2: {pods[2].address}})
	m.services[db.Service].Traits.ClientIP = true
	m.publish()
	m.gateway(c2)
	m.gateway(c1)
	at := m.egress(c1, db)
	from := func(client int) func() (string, error) {
		return func() (string, error) { return greetFrom(fmt.Sprintf("127.0.8.%d", client+1), at) }
	}
	const clients = 30
	await(t, "all pods answer", patience, func() error {
		counts := map[string]int{}
		for client := range clients {
			name, err := from(client)()
			if err != nil {
				return err
			}
			counts[name]++
		}
		t.Logf("figure: clients of each pod: %v", counts)
		return missing(counts, pods...)
	})
	for client := range clients {
		if counts := shares(10, from(client)); len(counts) != 1 {
			t.Errorf("client %d: %v, want one pod", client, counts)
		}
	}
}
