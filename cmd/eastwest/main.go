// Command eastwest joins Kubernetes clusters into one mesh. It holds signals and
// the exit code; everything else is in installer/cli.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"

	"github.com/eastwest-mesh/eastwest/installer/cli"
)

func main() {
	// client-go logs what it returns as an error, too.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	// A reader that goes away must not end a run in the middle of its work.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, cli.SystemEnv(), os.Args[1:])
	stop()
	os.Exit(code)
}
