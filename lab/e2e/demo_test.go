//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testDemo is what `make demo` does: two separate clusters with unrelated roots
// become one mesh in one command.
func testDemo(t *testing.T) {
	wantApart(t)
	suite.baseline = snapAll(t)
	t.Run("plan writes nothing", func(t *testing.T) { testPlan(t, 10) })
	suite.state = unknown
	r := must(t, append(upArgs(1, 2), "-o", "json")...)
	suite.state = joinedTwo
	suite.figures.took("up of 2 clusters, with CAs replaced and verified", r.took)
	upReport(t, r).wantMatrix(t, 2)
	t.Run("the guide's steps by hand", testGuide)
}

// testPlan asks what up would do: the exit code says whether there is anything.
func testPlan(t *testing.T, exit int) {
	before := mark(t)
	args := append([]string{"plan", "--exit-code"}, upArgs(1, 2)[1:]...)
	eastwest(t, args...).wantExit(t, exit)
	before.wantNoWrites(t)
}

// testThird adds a cluster by the same command with one more kubeconfig. The
// services that c1 and c2 share already need no new consent.
func testThird(t *testing.T) {
	wantJoined(t, 2)
	suite.state = unknown
	r := must(t, append(upArgs(1, 2, 3), "-o", "json")...)
	suite.state = joinedThree
	suite.figures.took("up with a third cluster, verified", r.took)
	upReport(t, r).wantMatrix(t, 3)
}

// testGuide types steps 4 to 6 of the guide with kubectl and contexts, as they
// are in the guide, cleaning up included in whoever takes the clusters apart.
func testGuide(t *testing.T) {
	config := merged(t)
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := bounded(t)
		defer cancel()
		out, err := output(kubectlCommand(ctx, append([]string{"--kubeconfig", config}, args...)...), "")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	contexts := []string{cluster(1).Context, cluster(2).Context}
	for i, ctx := range contexts {
		_, labels, ok := strings.Cut(run("--context", ctx, "-n", "istio-system", "get", "pods", "-l", "app=istiod", "--show-labels"), "istio.io/rev=")
		if !ok {
			t.Fatalf("no revision label on istiod of %s", ctx)
		}
		revision := strings.FieldsFunc(labels, func(r rune) bool { return r == ',' || r == '\n' })[0]
		run("create", "--context", ctx, "namespace", "sample")
		labelled := run("label", "--context", ctx, "namespace", "sample", "istio-injection-", "istio.io/rev="+revision, "--overwrite")
		if !strings.Contains(labelled, `label "istio-injection" not found.`) || !strings.Contains(labelled, "namespace/sample labeled") {
			t.Errorf("labelling says %q", labelled)
		}
		run("create", "--context", ctx, "-f", samples("helloworld"), "-l", "service=helloworld", "-n", "sample")
		run("create", "--context", ctx, "-f", samples("helloworld"), "-l", fmt.Sprintf("version=v%d", i+1), "-n", "sample")
		run("apply", "--context", ctx, "-f", samples("sleep"), "-n", "sample")
	}
	for _, ctx := range contexts {
		run("--context", ctx, "-n", "sample", "rollout", "status", "deployment", "--timeout=2m")
		for line := range strings.Lines(run("get", "pod", "--context", ctx, "-n", "sample", "--no-headers")) {
			if fields := strings.Fields(line); len(fields) < 3 || fields[1] != "2/2" || fields[2] != "Running" {
				t.Errorf("a pod in %s is not 2/2 Running: %s", ctx, line)
			}
		}
	}
	whole(t) // new pods take a moment to be known on the other side
	for _, ctx := range contexts {
		pod := run("get", "pod", "--context", ctx, "-n", "sample", "-l", "app=sleep", "-o", "jsonpath={.items[0].metadata.name}")
		out := run("exec", "--context", ctx, "-n", "sample", "-c", "sleep", pod, "--", "/bin/sh", "-c",
			"for i in $(seq 1 20); do curl -sS helloworld.sample:5000/hello; done")
		counts := versions(strings.Split(strings.TrimSpace(out), "\n"))
		if counts["v1"]+counts["v2"] != 20 || counts["v1"] == 0 || counts["v2"] == 0 {
			t.Errorf("20 requests from %s: %v\n%s", ctx, counts, out)
		}
	}
}

// upReport reads the verification that an up with -o json ends with.
func upReport(t *testing.T, r result) verification {
	t.Helper()
	var answer struct{ Verification *verification }
	r.decode(t, &answer)
	if answer.Verification == nil {
		t.Fatalf("no verification in the report\n%s", r)
	}
	v := *answer.Verification
	suite.figures.took(fmt.Sprintf("verification of %d clusters", len(v.Shared)), time.Duration(v.Seconds*float64(time.Second)))
	return v
}

// merged is one kubeconfig with the contexts of all clusters.
func merged(t *testing.T) string {
	t.Helper()
	var paths []string
	for _, c := range suite.lab.Clusters {
		paths = append(paths, c.Kubeconfig)
	}
	ctx, cancel := bounded(t)
	defer cancel()
	cmd := kubectlCommand(ctx, "config", "view", "--flatten")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+strings.Join(paths, ":"))
	text, err := output(cmd, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
