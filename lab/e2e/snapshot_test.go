//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/objects"
)

// snapshot is the objects of a cluster.
type snapshot = objects.Snapshot

// snap reads all objects of cluster i.
func snap(ctx context.Context, i int) (snapshot, error) {
	kinds, err := try(ctx, i, "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		return nil, err
	}
	return snapOf(ctx, i, strings.Join(strings.Fields(kinds), ","))
}

// snapOf reads the objects of some kinds.
func snapOf(ctx context.Context, i int, kinds string) (snapshot, error) {
	text, err := try(ctx, i, "get", kinds, "-A", "-o", "json")
	if err != nil {
		return nil, err
	}
	return objects.Parse([]byte(text))
}

// snapAll reads all objects of all clusters.
func snapAll(t *testing.T) []snapshot {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	all := make([]snapshot, len(suite.lab.Clusters))
	for i := range all {
		var err error
		if all[i], err = snap(ctx, i+1); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// wantSame waits until cluster i holds the same objects as before: what follows
// from a removal, such as a namespace's end, takes a moment.
func wantSame(t *testing.T, i int, before snapshot, leaveOut ...string) {
	t.Helper()
	before = before.Without(leaveOut...)
	err := waitFor(t, 30*time.Second, func(ctx context.Context) error {
		after, err := snap(ctx, i)
		if err != nil {
			return err
		}
		return objects.Differences(before, after.Without(leaveOut...))
	})
	if err != nil {
		t.Errorf("objects of c%d: %v", i, err)
	}
}
