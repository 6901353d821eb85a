// Command eastwest-agent watches all clusters of a mesh and feeds the gateway of
// its own. It holds signals and the exit code; everything else is in
// discovery/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/eastwest-mesh/eastwest/discovery/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
