//go:build e2e

package plain

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/objects"
)

// labName is a lab of the suite's own.
var labName = cmp.Or(os.Getenv("EASTWEST_E2E_PLAIN_LAB"), "plain")

// suite is what all tests share. Tests do not run in parallel.
var suite struct {
	lab    *lab.Lab
	binary string
	// baseline are the objects of the clusters before they were joined.
	baseline []objects.Snapshot
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run brings the lab up, runs the tests, and takes the lab down where nobody
// wants to look at it.
func run(m *testing.M) int {
	ctx := context.Background()
	unlock, err := lockLab()
	if err != nil {
		return fail("lock the lab; fix: wait for the other run, or set EASTWEST_E2E_PLAIN_LAB", err)
	}
	defer unlock()
	fresh := os.Getenv("CI") != ""
	if fresh {
		if err := lab.Down(ctx, labName, os.Stderr); err != nil {
			return fail("take down an earlier lab", err)
		}
	}
	if suite.binary, err = filepath.Abs(cmp.Or(os.Getenv("EASTWEST_BIN"), "../../../bin/eastwest")); err != nil {
		return fail("find the binary", err)
	}
	if _, err := os.Stat(suite.binary); err != nil {
		return fail("find the binary; fix: make build, or set EASTWEST_BIN", err)
	}
	suite.lab, err = lab.Up(ctx, lab.Options{Name: labName, Clusters: 2, Progress: os.Stderr})
	if err != nil {
		return fail("bring up the lab", err)
	}
	code := m.Run()
	if fresh || os.Getenv("EASTWEST_E2E_DOWN") != "" {
		if err := suite.lab.Down(ctx); err != nil {
			return fail("take down the lab", err)
		}
	}
	return code
}

// lockLab keeps two runs of the suite from sharing one lab.
func lockLab() (unlock func(), err error) {
	path := filepath.Join(os.TempDir(), "eastwest-lab-"+labName+".lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lab %q is in use by another run (%s): %w", labName, path, err)
	}
	return func() { file.Close() }, nil
}

func fail(what string, err error) int {
	fmt.Fprintf(os.Stderr, "e2e: %s: %v\n", what, err)
	return 1
}

// TestPlain is the life of a mesh without Istio. Its parts share the clusters and
// follow each other; each leaves them in order.
func TestPlain(t *testing.T) {
	wantApart(t)
	suite.baseline = snapAll(t)
	for _, part := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"two clusters become a mesh, and every link is proved", testPlainUp},
		{"a second up changes nothing", testPlainSecondUp},
		{"status", testPlainStatus},
		{"a namespace that is there", testPlainNamespace},
		{"Ctrl-C", testPlainInterrupted},
		{"faults", testPlainFaults},
		{"down leaves what was before up", testPlainDown},
	} {
		if !t.Run(part.name, part.run) && part.name == "two clusters become a mesh, and every link is proved" {
			t.FailNow() // nothing of the rest can hold
		}
	}
}
