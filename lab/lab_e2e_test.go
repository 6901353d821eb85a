//go:build e2e

package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab"
)

// labName is a lab of the test's own, beside whatever else is on the host.
const labName = "labt"

const workload = `
apiVersion: v1
kind: Pod
metadata: {name: hello, labels: {app: hello}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: hello, image: "lab.local/helloworld-v2:lab"}]
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {type: LoadBalancer, selector: {app: hello}, ports: [{port: 5000}]}
---
apiVersion: v1
kind: Service
metadata: {name: guarded}
spec: {type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24], selector: {app: hello}, ports: [{port: 5000}]}
`

// TestLab is the life of one lab; its parts build on each other.
func TestLab(t *testing.T) {
	down(t)
	t.Cleanup(func() { down(t) })
	l, err := lab.Up(t.Context(), lab.Options{Name: labName, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	c := l.Clusters[0]
	for _, part := range []struct {
		name string
		run  func(t *testing.T, l *lab.Lab, c *lab.Cluster)
	}{
		{"a pod runs and its load balancer answers", testTraffic},
		{"source ranges keep others out", testSourceRanges},
		{"the audit log tells requests apart", testAuditLog},
		{"a second up changes nothing", testIdempotent},
		{"up restarts what was killed", testResume},
		{"nothing leaves the lab", testNoRoute},
		{"down leaves nothing, though all was killed", testDown},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, l, c) }) {
			return
		}
	}
}

func testTraffic(t *testing.T, _ *lab.Lab, c *lab.Cluster) {
	apply(t, c, workload)
	ip := kubectl(t, c, "wait", "service/hello", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}", "--timeout=60s",
		"-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
	kubectl(t, c, "wait", "pod/hello", "--for=condition=Ready", "--timeout=120s")
	await(t, "hello from the bridge", func(ctx context.Context) error {
		return expect(exec.CommandContext(ctx, "curl", "-sS", "-m", "2", ip+":5000/hello"), "Hello version: v2, instance: hello\n")
	})
	await(t, "hello from the cluster by name", func(ctx context.Context) error {
		return expect(c.Command(ctx, "kubectl", "run", "client", "--rm", "-i", "--quiet", "--restart=Never",
			"--image=lab.local/sleep:lab", "--", "curl", "-sS", "-m", "5", "hello.default.svc.cluster.local:5000/hello"),
			"Hello version: v2, instance: hello\n")
	})
}

func testSourceRanges(t *testing.T, _ *lab.Lab, c *lab.Cluster) {
	ip := kubectl(t, c, "get", "service/guarded", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
	out, err := exec.CommandContext(t.Context(), "curl", "-sS", "-m", "2", ip+":5000/hello").CombinedOutput()
	if err == nil {
		t.Errorf("%s answered %q to a source that is not allowed", ip, out)
	}
}

func testAuditLog(t *testing.T, _ *lab.Lab, c *lab.Cluster) {
	kubectl(t, c, "create", "configmap", "dry", "--dry-run=server")
	kubectl(t, c, "create", "configmap", "wet")
	data, err := os.ReadFile(c.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	var dry, wet int
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `"verb":"create"`) && strings.Contains(line, `"resource":"configmaps"`) && strings.Contains(line, `"userAgent":"kubectl/`) {
			if strings.Contains(line, "dryRun=All") {
				dry++
			} else {
				wet++
			}
		}
	}
	if dry != 1 || wet != 1 {
		t.Errorf("audit log has %d dry and %d other creations, want one of each", dry, wet)
	}
}

func testIdempotent(t *testing.T, _ *lab.Lab, c *lab.Cluster) {
	before := pids(c)
	start := time.Now()
	if _, err := lab.Up(t.Context(), lab.Options{Name: labName}); err != nil {
		t.Fatal(err)
	}
	t.Logf("second up took %s", time.Since(start))
	if after := pids(c); after != before {
		t.Errorf("processes %s, before %s", after, before)
	}
}

func testResume(t *testing.T, l *lab.Lab, c *lab.Cluster) {
	for _, component := range lab.Components() {
		if err := c.Stop(t.Context(), component, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if s := l.Status(t.Context()); s.Ready || s.Clusters[0].Components[0].State != lab.StateDead {
		t.Errorf("after the kill: %+v", s.Clusters[0])
	}
	if _, err := lab.Up(t.Context(), lab.Options{Name: labName}); err != nil {
		t.Fatal(err)
	}
	if s := l.Status(t.Context()); !s.Ready {
		t.Errorf("after the second up: %s", s.Clusters[0].Problem)
	}
	testTraffic(t, l, c)
}

func testNoRoute(t *testing.T, _ *lab.Lab, c *lab.Cluster) {
	out, err := c.Exec(t.Context(), "ip", "route", "get", "192.0.2.1")
	if err == nil {
		t.Errorf("the cluster has a route out: %s", out)
	}
}

// testDown kills a part of everything there is first, which is the hardest
// case: nobody unmounts or removes anything.
func testDown(t *testing.T, _ *lab.Lab, c *lab.Cluster) {
	for _, component := range []string{"kubelet", "containerd", "etcd"} {
		if err := c.Stop(t.Context(), component, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	had := remains(t)
	if len(had) < 10 {
		t.Errorf("a running cluster has only %q", had)
	}
	down(t)
	for _, what := range had {
		if _, err := os.Lstat(what); filepath.IsAbs(what) && err == nil {
			t.Errorf("%s is still there", what)
		}
	}
}

// TestKilledUp kills "lab up" itself at several moments: it must be possible to
// go on and to take down from any of them.
func TestKilledUp(t *testing.T) {
	down(t)
	t.Cleanup(func() { down(t) })
	bin := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/lab").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, after := range []time.Duration{150 * time.Millisecond, 500 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second, 9 * time.Second} {
		killUp(t, bin, after)
		down(t)
	}
	for _, after := range []time.Duration{300 * time.Millisecond, 3 * time.Second, 6 * time.Second} {
		killUp(t, bin, after)
	}
	l, err := lab.Up(t.Context(), lab.Options{Name: labName, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	testTraffic(t, l, l.Clusters[0])
}

func killUp(t *testing.T, bin string, after time.Duration) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(bin, "up", "--name", labName)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	err := cmd.Wait()
	last := strings.Split(strings.TrimSpace(out.String()), "\n")
	t.Logf("killed after %s (%v), at: %s", after, err, last[len(last)-1])
}

// down takes the lab down and checks that nothing of it is left.
func down(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := lab.Down(ctx, labName, nil); err != nil {
		t.Fatal(err)
	}
	if left := remains(t); len(left) > 0 {
		t.Errorf("down left %q", left)
	}
	for _, path := range []string{"/sys/class/net/br-" + labName, "/var/lib/eastwest-lab/" + labName} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("down left %s", path)
		}
	}
}

func remains(t *testing.T) []string {
	t.Helper()
	var all []string
	for index := 1; index <= 9; index++ {
		left, err := lab.Remains(labName, index)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, left...)
	}
	return all
}

func pids(c *lab.Cluster) string {
	var b strings.Builder
	for _, component := range lab.Components() {
		fmt.Fprintf(&b, "%s=%d ", component, c.PID(component))
	}
	return b.String()
}

func apply(t *testing.T, c *lab.Cluster, manifests string) {
	t.Helper()
	cmd := c.Command(t.Context(), "kubectl", "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifests)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, out)
	}
}

func kubectl(t *testing.T, c *lab.Cluster, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func expect(cmd *exec.Cmd, want string) error {
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != want {
		return errors.Join(err, fmt.Errorf("got %q, want %q", out, want))
	}
	return nil
}

func await(t *testing.T, what string, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}
