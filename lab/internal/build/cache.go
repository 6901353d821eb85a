package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/internal/host"
)

// keep is how many versions of a component stay in the cache.
const keep = 2

// CacheDir is where everything built is kept, outside any clone.
func CacheDir() (string, error) {
	if dir := os.Getenv("EASTWEST_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set EASTWEST_LAB_CACHE): %w", err)
	}
	return filepath.Join(dir, "eastwest-lab"), nil
}

// cache holds directories by component and key. An entry is complete or not
// there: it is made aside and renamed, under a lock that dies with its holder.
type cache struct{ root string }

// path is where the entry is or will be.
func (c cache) path(component, key string) string {
	return filepath.Join(c.root, component, key)
}

// use returns the entry if it is there and marks it as used.
func (c cache) use(component, key string) (string, bool) {
	path := c.path(component, key)
	now := time.Now()
	return path, os.Chtimes(path, now, now) == nil
}

// ensure returns the entry and whether it had to be made.
func (c cache) ensure(ctx context.Context, component, key string, fill func(dir string) error) (path string, made bool, err error) {
	if path, ok := c.use(component, key); ok {
		return path, false, nil
	}
	dir := filepath.Join(c.root, component)
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return "", false, fmt.Errorf("lock cache of %s: %w", component, err)
	}
	defer unlock()
	if path, ok := c.use(component, key); ok {
		return path, false, nil
	}
	if err := c.fill(dir, key, fill); err != nil {
		return "", false, err
	}
	return c.path(component, key), true, c.collect(dir)
}

// fill runs under the lock, so every temporary directory it finds is the rest
// of a build that was killed.
func (c cache) fill(dir, key string, fill func(dir string) error) error {
	stale, err := filepath.Glob(filepath.Join(dir, ".tmp-*"))
	if err != nil {
		return err
	}
	for _, path := range stale {
		if err := errors.Join(host.Unmount(path), os.RemoveAll(path)); err != nil {
			return fmt.Errorf("clear a build that was interrupted: %w", err)
		}
	}
	temp, err := os.MkdirTemp(dir, ".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, key))
}

// collect removes all but the entries used last.
func (c cache) collect(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type entry struct {
		path string
		used time.Time
	}
	var all []entry
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			all = append(all, entry{path: filepath.Join(dir, e.Name()), used: info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return b.used.Compare(a.used) })
	for _, old := range all[min(keep, len(all)):] {
		if err := os.RemoveAll(old.path); err != nil {
			return fmt.Errorf("remove old build: %w", err)
		}
	}
	return nil
}

// lockDir takes the directory's lock, waiting for another build to end.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			file.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("another build holds it: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
