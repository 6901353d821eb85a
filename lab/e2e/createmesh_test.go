//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// testCreateMesh is what create-mesh does when things go wrong, on clusters that
// share a root and nothing else.
func testCreateMesh(t *testing.T) {
	wantTrusted(t)
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"joins them all, and is measured", testCreateMeshFigures},
		{"bounded tokens", testBoundedTokens},
		{"services that exist in both need consent", testMerge},
		{"no API address is usable from one peer", testNoAddress},
		{"C09 loopback addresses", testLoopback},
		{"F46 one of three is down", testOneDown},
		{"F47 two at once", testAtOnce},
		{"F47 a foreign field owner", testForeignOwner},
		{"F45 killed at any call", testKilled},
		{"F50 an admission webhook", testWebhook},
		{"K rows", testKubeconfigs},
	} {
		t.Run(part.name, func(t *testing.T) {
			defer unlink(t)
			part.run(t)
		})
	}
}

// unlink removes all that create-mesh makes, and keeps the root.
func unlink(t *testing.T) {
	t.Helper()
	must(t, join([]string{"down", "--yes"}, members(everyone()...))...)
}

// createMeshReport runs create-mesh on clusters and reads its report.
func createMeshReport(t *testing.T, exit int, args ...string) (changes, result) {
	t.Helper()
	r := eastwest(t, append(args, "-o", "json")...)
	r.wantExit(t, exit)
	var report changes
	r.decode(t, &report)
	return report, r
}

func testCreateMeshFigures(t *testing.T) {
	for n := 2; n <= len(suite.lab.Clusters); n++ {
		indices := everyone()[:n]
		start := mark(t)
		r := must(t, createMesh(indices)...)
		calls, writes := start.count(t)
		suite.figures.note("create-mesh of %d clusters: %s, %d API calls, of which %d write", len(indices), r.took.Round(10*time.Millisecond), calls, writes)
		wantRemotes(t, indices...)
		unlink(t)
	}
}

// wantRemotes wants in each of the clusters one remote secret for each other
// one, keyed by its cluster ID, synced, and none besides.
func wantRemotes(t *testing.T, indices ...int) {
	t.Helper()
	for _, i := range indices {
		var want []string
		for _, j := range indices {
			if i != j {
				want = append(want, fmt.Sprintf("istio-remote-secret-c%d", j))
			}
		}
		wantSecrets(t, i, want...)
	}
	await(t, "every istiod has synced its peers", time.Minute, func(context.Context) error {
		if _, r := status(t, indices...); r.exit != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
}

func wantSecrets(t *testing.T, i int, want ...string) {
	t.Helper()
	got := strings.Fields(kubectl(t, i, "-n", "istio-system", "get", "secrets", "-l", "istio/multiCluster=true",
		"-o", `jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}`))
	if !slices.Equal(got, want) {
		t.Errorf("remote secrets of c%d are %q, want %q", i, got, want)
	}
}

// testBoundedTokens asks for tokens that end: status says when.
func testBoundedTokens(t *testing.T) {
	must(t, createMesh([]int{1, 2}, "--token-ttl", "1h")...)
	wantRemotes(t, 1, 2)
	s, _ := status(t, 1, 2)
	for _, l := range s.Links {
		ends, err := time.Parse(time.RFC3339, l.Expiry)
		if left := time.Until(ends); err != nil || l.Token != "bounded" || left <= 0 || left > time.Hour {
			t.Errorf("link %s -> %s: token %q ends %q", l.Consumer, l.Producer, l.Token, l.Expiry)
		}
	}
	report, _ := createMeshReport(t, 0, createMesh([]int{1, 2}, "--token-ttl", "1h")...)
	if written := report.written(); len(written) > 0 {
		t.Errorf("a second run wrote %q", written)
	}
}

// testMerge joins clusters that both have a service of one name: it would start
// to share traffic, so that needs consent.
func testMerge(t *testing.T) {
	const shop = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: till, namespace: shop}
spec: {selector: {app: till}, ports: [{port: 80}]}`
	for i := 1; i <= 2; i++ {
		apply(t, i, shop)
		defer remove(t, i, shop)
	}
	refusal{
		args: createMesh([]int{1, 2}), exit: 4,
		says: []string{"MergeNotAccepted", "shop/till", "--accept-merge", "--cluster-local"},
	}.check(t)
	must(t, createMesh([]int{1, 2}, "--accept-merge")...)
	wantRemotes(t, 1, 2)
}

// testNoAddress cuts c2 off from the API server of c1: that pair is refused, and
// the five others are done.
func testNoAddress(t *testing.T) {
	firewall(t, 1, "ip saddr "+cluster(2).NodeIP+" tcp dport 6443")
	defer closeFirewall(t, 1)
	report, r := createMeshReport(t, 3, createMesh([]int{1, 2, 3})...)
	r.wantErr(t, "cluster c2: NoAPIAddress", "c1", "fix: ", "--server c1=https://")
	for _, l := range report.Links {
		if failed := l.Consumer == "c2" && l.Producer == "c1"; (l.Error != "") != failed {
			t.Errorf("link %s -> %s: error %q", l.Consumer, l.Producer, l.Error)
		}
	}
	wantSecrets(t, 1, "istio-remote-secret-c2", "istio-remote-secret-c3")
	wantSecrets(t, 2, "istio-remote-secret-c3")
	wantSecrets(t, 3, "istio-remote-secret-c1", "istio-remote-secret-c2")
	closeFirewall(t, 1)
	report, _ = createMeshReport(t, 0, createMesh([]int{1, 2, 3})...)
	wantOnly(t, report, "istiod-c2", "account-c2", "remote-c1", "istio-remote-secret-c1")
	wantRemotes(t, 1, 2, 3)
	unlink(t)

	for i := 1; i <= 2; i++ {
		firewall(t, i, "ip saddr "+cluster(3-i).NodeIP+" tcp dport 6443")
		defer closeFirewall(t, i)
	}
	before := mark(t)
	r = eastwest(t, createMesh([]int{1, 2})...)
	r.wantExit(t, 4)
	r.wantErr(t, "NoAPIAddress", "--server c1=https://", "--server c2=https://")
	for i := 1; i <= 2; i++ {
		for _, one := range before.requests(t, i) {
			if one.stores() && one.ObjectRef.Resource != "pods" {
				t.Errorf("no pair has an address, yet it wrote to c%d: %s %s", i, one.Verb, one.RequestURI)
			}
		}
	}
}

// wantOnly wants that a run wrote something, and nothing but what is named so.
func wantOnly(t *testing.T, report changes, parts ...string) {
	t.Helper()
	written := report.written()
	if len(written) == 0 {
		t.Error("nothing was written")
	}
	for _, w := range written {
		if !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(w, part) }) {
			t.Errorf("it wrote %s, want only %q", w, parts)
		}
	}
}

// testLoopback is row C09: an address that leads back to the machine that uses
// it is refused for its pairs alone, and for good where no pair has another.
func testLoopback(t *testing.T) {
	before := mark(t)
	r := eastwest(t, createMesh([]int{1, 2}, "--server", "c1=https://127.0.0.1:6443", "--server", "c2=https://localhost:6443")...)
	r.wantExit(t, 4)
	r.wantErr(t, "https://127.0.0.1:6443", "https://localhost:6443", "loopback", "fix: ")
	if _, writes := before.count(t); writes > 0 {
		t.Errorf("refused, yet it wrote %d times", writes)
	}
	r = eastwest(t, createMesh([]int{1, 2}, "--server", "c1=https://127.0.0.1:6443")...)
	r.wantExit(t, 3)
	r.wantErr(t, "cluster c2: NoAPIAddress", "loopback", "--server c1=")
	wantSecrets(t, 1, "istio-remote-secret-c2")
	wantSecrets(t, 2)
	must(t, createMesh([]int{1, 2})...)
	wantRemotes(t, 1, 2)
}
