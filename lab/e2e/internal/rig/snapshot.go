package rig

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/objects"
)

// snapshot reads all objects of cluster i.
func (r *Rig) snapshot(ctx context.Context, i int) (objects.Snapshot, error) {
	kinds, err := r.Try(ctx, i, "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		return nil, err
	}
	text, err := r.Try(ctx, i, "get", strings.Join(strings.Fields(kinds), ","), "-A", "-o", "json")
	if err != nil {
		return nil, err
	}
	return objects.Parse([]byte(text))
}

// Snapshots are all objects of all clusters.
func (r *Rig) Snapshots(t *testing.T) []objects.Snapshot {
	t.Helper()
	ctx, cancel := Bounded(t, patience)
	defer cancel()
	var all []objects.Snapshot
	r.Each(func(i int) {
		one, err := r.snapshot(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	})
	return all
}

// WantSame waits until the clusters hold the same objects as before: what follows
// from a removal, such as a namespace's end, takes a moment.
func (r *Rig) WantSame(t *testing.T, before []objects.Snapshot) {
	t.Helper()
	r.Each(func(i int) {
		err := WaitFor(t, 30*time.Second, func(ctx context.Context) error {
			after, err := r.snapshot(ctx, i)
			if err != nil {
				return err
			}
			return objects.Differences(before[i-1], after)
		})
		if err != nil {
			t.Errorf("objects of c%d: %v", i, err)
		}
	})
}
