//go:build e2e

package agentfaults

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/faultproxy"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// TestF34 swaps the binaries of two versions, there and back.
func TestF34(t *testing.T) {
	slow(t)
	namespace := shop(t, 20, peer)
	proxy, config := faultproxy.New(t, peer.Config())
	older, newer := build(t, "v1.0.0"), build(t, "v1.1.0")
	a := start(t, options{namespace: namespace, members: []member{{"c2", config}}, binary: older, snapshot: t.TempDir()})
	g := a.connect(t, nil)
	g.awaitShare(t, namespace, "c2", share{weight: 20})
	a.awaitState(t, "c2", "ready")
	swap := func(to, version string) {
		t.Helper()
		a.stop(t)
		a.binary = to
		a.start(t)
		a.awaitReady(t)
		g = a.connect(t, g)
		since := g.mark(namespace, "c2")
		if a.metric(t, "eastwest_build_info", `version="`+version+`"`) != 1 {
			t.Errorf("it is not version %s that runs", version)
		}
		g.wantToldNothing(t, since)
	}
	swap(newer, "v1.1.0")
	swap(older, "v1.0.0")
	// Its neighbour: the member is down meanwhile, so all is from the other's snapshot.
	proxy.Refuse()
	swap(newer, "v1.1.0")
}

// build makes an agent that says that it is of a version.
func build(t *testing.T, version string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "eastwest-agent")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags",
		"-s -w -X github.com/eastwest-mesh/eastwest/internal/buildinfo.Version="+version, "-o", path, "./cmd/eastwest-agent")
	cmd.Dir = filepath.Join("..", "..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	_, err := rig.Output(cmd, "")
	must(t, err)
	return path
}
