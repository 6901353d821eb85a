package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/internal/progress"
)

// lock keeps two commands from changing one lab, or the host, at once. It is a
// socket in the abstract namespace: it leaves no file and dies with its holder.
func lock(ctx context.Context, what string, board *progress.Board) (unlock func(), err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	waited := false
	for {
		listener, err := net.Listen("unix", "@eastwest-lab/"+what)
		if err == nil {
			return func() { listener.Close() }, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("lock %s: %w", what, err)
		}
		if !waited {
			board.Note("another lab command is at work on %s; waiting for it", what)
			waited = true
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: another command holds it: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}
