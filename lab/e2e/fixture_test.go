//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// state is what is known of the clusters' being joined. A test that leaves
// another state behind than it found says so in suite.state.
type state int

const (
	// unknown is what an earlier run left: anything.
	unknown state = iota
	// apart: as the lab made them, each with a root of its own.
	apart
	// trusted: one root for all three, and nothing else.
	trusted
	// joinedTwo: c1 and c2 are a mesh, c3 is not in it.
	joinedTwo
	// joinedThree: all are a mesh.
	joinedThree
)

// everyone is the clusters of the lab, counted from 1.
func everyone() []int {
	var all []int
	for i := range suite.lab.Clusters {
		all = append(all, i+1)
	}
	return all
}

// upArgs are the arguments of the demo's up.
func upArgs(indices ...int) []string {
	return join([]string{
		"up", "--init-trust", "--replace-ca", "--restart-workloads", "--trust-dir", dir("trust"),
		"--source-ranges", suite.lab.BridgeCIDR,
	}, members(indices...), images())
}

// wantApart takes the mesh down to the last object.
func wantApart(t *testing.T) {
	t.Helper()
	if suite.state == apart {
		return
	}
	sweep(t)
	must(t, join([]string{"down", "--purge-trust", "--restart-workloads", "--yes"}, members(everyone()...))...)
	forgetWorkloads(t)
	if err := os.RemoveAll(dir("trust")); err != nil {
		t.Fatal(err)
	}
	suite.state = apart
}

// forgetWorkloads deletes the namespaces that tests deploy to.
func forgetWorkloads(t *testing.T) {
	t.Helper()
	for _, i := range everyone() {
		kubectl(t, i, "delete", "namespace", "sample", policyNamespace, "--ignore-not-found")
	}
}

// wantTrusted gives all clusters one root and takes everything else away.
func wantTrusted(t *testing.T) {
	t.Helper()
	if suite.state == trusted {
		return
	}
	sweep(t)
	if suite.state != apart {
		must(t, join([]string{"down", "--yes"}, members(everyone()...))...)
	}
	forgetWorkloads(t)
	names := []string{"trust", "init", "--dir", dir("trust"), "--mesh", "lab-mesh"}
	for _, c := range suite.lab.Clusters {
		names = append(names, c.Name)
	}
	must(t, names...)
	must(t, join([]string{"trust", "apply", "--dir", dir("trust"), "--replace-ca", "--restart-workloads"}, members(everyone()...))...)
	suite.state = trusted
}

// wantJoined makes a mesh of the first n clusters.
func wantJoined(t *testing.T, n int) {
	t.Helper()
	want := joinedTwo
	if n == 3 {
		want = joinedThree
	}
	switch suite.state {
	case want:
		return
	case unknown:
		sweep(t)
	case joinedThree:
		must(t, join([]string{"leave", "c3", "--yes"}, members(1, 2, 3))...)
		suite.state = joinedTwo
		return
	}
	all := []int{1, 2, 3}[:n]
	must(t, append(upArgs(all...), "--no-verify", "--accept-merge")...)
	suite.state = want
}

// sweep removes what a test that was killed may have left.
func sweep(t *testing.T) {
	t.Helper()
	if suite.state != unknown {
		return
	}
	ctx, cancel := bounded(t)
	defer cancel()
	for _, i := range everyone() {
		closeFirewall(t, i)
		for _, component := range []string{"kube-apiserver", "balancer"} {
			if err := cluster(i).Start(ctx, component); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// sample makes sure that the guide's workloads run in c1 and c2.
func sample(t *testing.T) {
	t.Helper()
	for i := 1; i <= 2; i++ {
		apply(t, i, namespace("sample"))
		kubectl(t, i, "apply", "-n", "sample", "-f", samples("helloworld"), "-l", "service=helloworld")
		kubectl(t, i, "apply", "-n", "sample", "-f", samples("helloworld"), "-l", fmt.Sprintf("version=v%d", i))
		kubectl(t, i, "apply", "-n", "sample", "-f", samples("sleep"))
	}
	for i := 1; i <= 2; i++ {
		kubectl(t, i, "-n", "sample", "rollout", "status", "deployment", "--timeout=2m")
	}
}

// samples is a manifest of the guide.
func samples(name string) string { return "testdata/samples/" + name + "/" + name + ".yaml" }

// namespace is a namespace that the lab's istiod injects.
func namespace(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels: {istio.io/rev: %s}\n", name, revision())
}

func revision() string { return cluster(1).Spec.Istio.Revision }

// hello calls the guide's helloworld n times from the sleep pod of cluster i.
func hello(ctx context.Context, i, n int) ([]string, error) {
	return callHello(ctx, i, "helloworld.sample", n)
}

// callHello is hello by another of its names.
func callHello(ctx context.Context, i int, host string, n int) ([]string, error) {
	script := fmt.Sprintf("for i in $(seq 1 %d); do curl -sS -m 5 %s:5000/hello; done", n, host)
	out, err := try(ctx, i, "exec", "-n", "sample", "-c", "sleep", "deployment/sleep", "--", "/bin/sh", "-c", script)
	return strings.Split(strings.TrimSpace(out), "\n"), err
}

// versions counts the answers of each version.
func versions(lines []string) map[string]int {
	counts := map[string]int{}
	for _, line := range lines {
		for _, version := range []string{"v1", "v2"} {
			if strings.HasPrefix(line, "Hello version: "+version+", instance: helloworld-"+version+"-") {
				counts[version]++
			}
		}
	}
	return counts
}

// whole waits until c1 and c2 are a mesh in working order: discovery says so,
// and the guide's helloworld answers with both versions from both sides.
func whole(t *testing.T) {
	t.Helper()
	for i := 1; i <= 2; i++ {
		await(t, fmt.Sprintf("both versions from c%d", i), 90*time.Second, func(ctx context.Context) error {
			lines, err := hello(ctx, i, 8)
			if counts := versions(lines); err != nil || counts["v1"] == 0 || counts["v2"] == 0 || counts["v1"]+counts["v2"] != 8 {
				return fmt.Errorf("answers %q, %v", lines, err)
			}
			return nil
		})
	}
	await(t, "status to be in order", time.Minute, func(context.Context) error {
		if _, r := status(t, 1, 2); r.exit != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
}

// awaitAPI waits until the API server of cluster i is ready again.
func awaitAPI(t *testing.T, i int) {
	t.Helper()
	await(t, fmt.Sprintf("API server of c%d", i), 90*time.Second, func(ctx context.Context) error {
		_, err := try(ctx, i, "get", "--raw", "/readyz")
		return err
	})
}
