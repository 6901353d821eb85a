//go:build bench

package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab"
)

// clusters are those of the lab, joined so that istiod sees both.
var clusters []*lab.Cluster

func TestMain(m *testing.M) {
	if err := bringUp(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func bringUp(ctx context.Context) error {
	up, err := lab.Up(ctx, lab.Options{
		Name: cmp.Or(os.Getenv("EASTWEST_BENCH_LAB"), "bench"), Clusters: 2, Istio: &lab.Istio{Roots: lab.RootsShared}, Progress: os.Stderr,
	})
	if err != nil {
		return err
	}
	clusters = up.Clusters
	eastwest, err := binary("EASTWEST_BIN", "eastwest")
	if err != nil {
		return err
	}
	args := []string{"up", "--source-ranges", up.BridgeCIDR, "--no-verify", "--accept-merge", "--yes"}
	for _, c := range clusters {
		args = append(args, "--kubeconfig", c.Name+"="+c.Kubeconfig)
	}
	if out, err := exec.CommandContext(ctx, eastwest, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("join the clusters: %w\n%s", err, out)
	}
	return nil
}

// binary is the path of one that was built, or of the one that a variable names.
func binary(variable, name string) (string, error) {
	path, err := filepath.Abs(cmp.Or(os.Getenv(variable), "../../bin/"+name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("find %s; fix: make build, or set %s: %w", name, variable, err)
	}
	return path, nil
}
