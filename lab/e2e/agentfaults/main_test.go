//go:build e2e

package agentfaults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// inside marks the process that runs in a network namespace of its own.
const inside = "EASTWEST_AGENTFAULTS_INSIDE"

// addresses are the namespace's own, beside loopback: a gateway of a member is never
// on loopback.
const addresses = "192.0.2.0/24"

// own is the cluster of the agents under test, peer the member that is harmed.
var own, peer *cluster

func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		os.Exit(enter())
	}
	os.Exit(run(m))
}

// enter runs this very program with a network and mounts of its own, which end with it.
func enter() int {
	self, err := os.Executable()
	if err != nil {
		return fail("find itself", err)
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	err = cmd.Run()
	if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
		return fail("enter a network namespace (as root)", err)
	}
	return cmd.ProcessState.ExitCode()
}

func run(m *testing.M) int {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail("keep mounts to itself", err)
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"route", "add", "local", addresses, "dev", "lo"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fail("prepare the network namespace", fmt.Errorf("%w: %s", err, out))
		}
	}
	if err := findAgent(); err != nil {
		return fail("find the agent; fix: make build, or set EASTWEST_AGENT_BIN", err)
	}
	group, ctx := errgroup.WithContext(context.Background())
	group.Go(func() (err error) { own, err = newCluster(ctx, "c1"); return err })
	group.Go(func() (err error) { peer, err = newCluster(ctx, "c2"); return err })
	err := group.Wait()
	for _, one := range []*cluster{own, peer} {
		if one != nil {
			defer one.Close()
		}
	}
	if err != nil {
		return fail("start API servers", err)
	}
	return m.Run()
}

func fail(what string, err error) int {
	fmt.Fprintf(os.Stderr, "agentfaults: %s: %v\n", what, err)
	return 1
}

// slow skips a test that takes long, unless all are to run.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv("EASTWEST_FAULTS") != "all" {
		t.Skip("it takes long; run make test-faults")
	}
}
