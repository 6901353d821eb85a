// Package rig owns what suites on clusters without a mesh share: a lab of their
// own, the built binary, kubectl, waits with a bound, and ways to look at and to
// harm the agents and gateways. It must not know what is tested.
package rig

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab"
)

// Rig is the lab of a suite and the binary under test. Tests that share one do not
// run in parallel.
type Rig struct {
	Lab    *lab.Lab
	binary string
}

// Main brings up the lab that o asks for, runs the tests, and takes the lab down
// where nobody wants to look at it. The binary is relative to the suite's folder.
func Main(m *testing.M, r *Rig, o lab.Options, binary string) int {
	ctx := context.Background()
	unlock, err := lockLab(o.Name)
	if err != nil {
		return fail("lock the lab; fix: wait for the other run, or give this one a lab of another name", err)
	}
	defer unlock()
	fresh := os.Getenv("CI") != ""
	if fresh {
		if err := lab.Down(ctx, o.Name, os.Stderr); err != nil {
			return fail("take down an earlier lab", err)
		}
	}
	if r.binary, err = filepath.Abs(cmp.Or(os.Getenv("EASTWEST_BIN"), binary)); err != nil {
		return fail("find the binary", err)
	}
	if _, err := os.Stat(r.binary); err != nil {
		return fail("find the binary; fix: make build, or set EASTWEST_BIN", err)
	}
	o.Progress = os.Stderr
	if r.Lab, err = lab.Up(ctx, o); err != nil {
		return fail("bring up the lab", err)
	}
	code := m.Run()
	if fresh || os.Getenv("EASTWEST_E2E_DOWN") != "" {
		if err := r.Lab.Down(ctx); err != nil {
			return fail("take down the lab", err)
		}
	}
	return code
}

// lockLab keeps two runs of a suite from sharing one lab.
func lockLab(name string) (unlock func(), err error) {
	path := filepath.Join(os.TempDir(), "eastwest-lab-"+name+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lab %q is in use by another run (%s): %w", name, path, err)
	}
	return func() { file.Close() }, nil
}

func fail(what string, err error) int {
	fmt.Fprintf(os.Stderr, "e2e: %s: %v\n", what, err)
	return 1
}

// Cluster is a cluster of the lab, counted from 1.
func (r *Rig) Cluster(i int) *lab.Cluster { return r.Lab.Clusters[i-1] }

// Each calls do for the number of each cluster.
func (r *Rig) Each(do func(i int)) {
	for i := range r.Lab.Clusters {
		do(i + 1)
	}
}
