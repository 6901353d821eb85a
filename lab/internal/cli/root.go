// Package cli is the command tree of the lab: flags become options, options
// one call of package lab, its result the answer on stdout.
package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/lab"
)

// ErrPassed marks the failure of a command that "lab exec" ran: it has spoken
// for itself, and only its exit code is passed on.
var ErrPassed = errors.New("command failed")

// ErrUsage marks a command line that was not understood.
var ErrUsage = errors.New("usage")

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// New makes the command tree.
func New(in io.Reader, out, errOut io.Writer) *cobra.Command {
	s := streams{in: in, out: out, err: errOut}
	root := &cobra.Command{
		Use:   "lab",
		Short: "Real Kubernetes clusters on this host, without Docker",
		Long: `lab brings up real Kubernetes clusters side by side on one Linux host, each in a
network namespace of its own, on request with Istio. Needs root.

The answer of a command is on stdout, all else on stderr.`,
		Example: `  lab up --clusters 2 --istio --roots separate
  export KUBECONFIG=$(lab kubeconfig 1)
  lab exec 1 -- kubectl get pods -A
  lab down`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", ErrUsage, err) })
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	root.AddCommand(
		newBuild(s), newUp(s), newDown(s), newStatus(s), newKubeconfig(s),
		newExec(s), newLoadImage(s), newVersion(s), newBalancer(s),
	)
	return root
}

func addName(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", lab.DefaultName, "name of the lab; labs of other names live beside it")
}

func addSource(cmd *cobra.Command, source *string) {
	cmd.Flags().StringVar(source, "source", "", "root of the source tree (default: found at or above the working directory or the executable)")
}
