// Command lab brings up real Kubernetes clusters on this host; see lab --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/eastwest-mesh/eastwest/lab/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A root shell opened by su has no sbin in PATH.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	err := cli.New(os.Stdin, os.Stdout, os.Stderr).ExecuteContext(ctx)
	os.Exit(code(err))
}

// code is the exit code: that of the command which "lab exec" ran, 2 for a
// command line that was not understood, else 1.
func code(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0 && errors.Is(err, cli.ErrPassed):
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "lab:", err)
	if errors.Is(err, cli.ErrUsage) {
		return 2
	}
	return 1
}
