//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"
)

// await asks until there is no error, and fails with the last one seen.
func await(t *testing.T, what string, bound time.Duration, ask func(ctx context.Context) error) {
	t.Helper()
	if err := waitFor(t, bound, ask); err != nil {
		t.Fatalf("%s: not within %s: %v", what, bound, err)
	}
}

// waitFor is await for those who go on in any case.
func waitFor(t *testing.T, bound time.Duration, ask func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), bound)
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
