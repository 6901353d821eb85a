//go:build envoy

package envoytest

import (
	"context"
	"testing"
	"time"
)

// await asks until there is no error and says how long that took; it fails with
// the last error.
func await(t *testing.T, what string, bound time.Duration, ask func() error) time.Duration {
	t.Helper()
	began := time.Now()
	err := retry(t.Context(), bound, ask)
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, bound, err)
	}
	return time.Since(began)
}

func retry(ctx context.Context, bound time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
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
