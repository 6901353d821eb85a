package sides

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Binary is the path of one that was built, or of the one that a variable names.
func Binary(t testing.TB, variable, usual string) string {
	t.Helper()
	path, err := filepath.Abs(cmp.Or(os.Getenv(variable), usual))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("find %s; fix: make build && bin/lab build, or set %s: %v", filepath.Base(usual), variable, err)
	}
	return path
}

// Newest is the newest file in the lab's cache that a pattern matches; the pattern itself
// where there is none.
func Newest(t testing.TB, pattern string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := cmp.Or(os.Getenv("EASTWEST_LAB_CACHE"), filepath.Join(cache, "eastwest-lab"))
	found, _ := filepath.Glob(filepath.Join(root, pattern))
	path, when := filepath.Join(root, pattern), time.Time{}
	for _, one := range found {
		if info, err := os.Stat(one); err == nil && info.ModTime().After(when) {
			path, when = one, info.ModTime()
		}
	}
	return path
}
