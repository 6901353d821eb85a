//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// prober calls the guide's helloworld from the sleep pod of a cluster without a
// break, a connection each, and keeps every answer.
type prober struct {
	cluster int
	cmd     *exec.Cmd
	answers *strings.Builder
}

// probeScript goes on until it is told to stop: it has lost no line then.
const probeScript = `rm -f /tmp/stop; while [ ! -e /tmp/stop ]; do
  curl -sS -m 5 -w ' %{http_code}\n' helloworld.sample:5000/hello 2>&1 | tr '\n' ' '; echo; sleep 0.1
done`

// probe starts a prober in cluster i.
func probe(t *testing.T, i int) *prober {
	t.Helper()
	p := &prober{cluster: i, answers: &strings.Builder{}}
	p.cmd = kubectlCommand(context.WithoutCancel(t.Context()), "--kubeconfig", cluster(i).Kubeconfig,
		"exec", "-n", "sample", "-c", "sleep", "deployment/sleep", "--", "/bin/sh", "-c", probeScript)
	p.cmd.Stdout, p.cmd.Stderr = p.answers, p.answers
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// stop ends the prober and wants that it never failed, and was answered by both.
func (p *prober) stop(t *testing.T) {
	t.Helper()
	kubectl(t, p.cluster, "exec", "-n", "sample", "-c", "sleep", "deployment/sleep", "--", "touch", "/tmp/stop")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("prober in c%d: %v", p.cluster, err)
	}
	lines := strings.Split(strings.TrimSpace(p.answers.String()), "\n")
	counts := versions(lines)
	var failed []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "Hello version: ") || !strings.HasSuffix(strings.TrimSpace(line), " 200") {
			failed = append(failed, line)
		}
	}
	if len(failed) > 0 || counts["v1"] == 0 || counts["v2"] == 0 {
		t.Errorf("c%d: %d of %d requests failed, %v: %q", p.cluster, len(failed), len(lines), counts, failed)
	}
	suite.figures.note("prober in c%d: %s", p.cluster, fmt.Sprint(len(lines), " requests, ", len(failed), " failed"))
}
