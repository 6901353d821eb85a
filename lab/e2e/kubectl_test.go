//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab"
)

// cluster is a cluster of the lab, counted from 1.
func cluster(i int) *lab.Cluster { return suite.lab.Clusters[i-1] }

// tool runs kubectl or istioctl of the lab against a cluster.
func tool(ctx context.Context, path string, c *lab.Cluster, stdin string, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, path, append([]string{"--kubeconfig", c.Kubeconfig}, args...)...), stdin)
}

// output runs a command and returns its stdout; an error holds its stderr.
func output(cmd *exec.Cmd, stdin string) (string, error) {
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}

// kubectlCommand prepares kubectl with arguments alone.
func kubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, suite.lab.Tools().Kubectl, args...)
}

// istioctlCommand prepares istioctl with arguments alone.
func istioctlCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, suite.lab.Tools().Istioctl, args...)
}

// try runs kubectl against cluster i.
func try(ctx context.Context, i int, args ...string) (string, error) {
	return tool(ctx, suite.lab.Tools().Kubectl, cluster(i), "", args...)
}

// kubectl runs kubectl against cluster i and stops the test where it fails.
func kubectl(t *testing.T, i int, args ...string) string {
	t.Helper()
	return kubectlIn(t, i, "", args...)
}

// kubectlIn is kubectl with something on standard input.
func kubectlIn(t *testing.T, i int, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	out, err := tool(ctx, suite.lab.Tools().Kubectl, cluster(i), stdin, args...)
	if err != nil {
		t.Fatalf("cluster %d: %v", i, err)
	}
	return out
}

// apply applies manifests to cluster i.
func apply(t *testing.T, i int, manifests string) {
	t.Helper()
	kubectlIn(t, i, manifests, "apply", "-f", "-")
}

// remove deletes what manifests name from cluster i; what is absent is fine.
func remove(t *testing.T, i int, manifests string) {
	t.Helper()
	kubectlIn(t, i, manifests, "delete", "--ignore-not-found", "-f", "-")
}

// istioctl runs istioctl against cluster i.
func istioctl(t *testing.T, i int, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	out, err := tool(ctx, suite.lab.Tools().Istioctl, cluster(i), stdin, args...)
	if err != nil {
		t.Fatalf("cluster %d: %v", i, err)
	}
	return out
}

// bounded is a context that outlives the test's, for defers need one too.
func bounded(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
}

// inNetns runs a command in the network namespace of cluster i.
func inNetns(t *testing.T, i int, args ...string) string {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	out, err := cluster(i).Exec(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
