package build

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func touch(name string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), nil, 0o644) }
}

func TestEnsureMakesOnce(t *testing.T) {
	t.Parallel()
	c := cache{root: t.TempDir()}
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, _, err := c.ensure(t.Context(), "x", "k", func(dir string) error {
				made.Add(1)
				return touch("f")(dir)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times, want once", made.Load())
	}
}

func TestEnsureLeavesNothingOfAFailure(t *testing.T) {
	t.Parallel()
	c := cache{root: t.TempDir()}
	broken := errors.New("broken")
	_, _, err := c.ensure(t.Context(), "x", "k", func(dir string) error { return errors.Join(touch("f")(dir), broken) })
	if !errors.Is(err, broken) {
		t.Fatalf("error %v, want %v", err, broken)
	}
	entries, err := os.ReadDir(filepath.Join(c.root, "x"))
	if err != nil || len(entries) != 1 || entries[0].Name() != ".lock" {
		t.Errorf("left %v, %v, want the lock only", entries, err)
	}
}

func TestEnsureClearsKilledBuilds(t *testing.T) {
	t.Parallel()
	c := cache{root: t.TempDir()}
	stale := filepath.Join(c.root, "x", ".tmp-killed")
	if err := os.MkdirAll(filepath.Join(stale, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ensure(t.Context(), "x", "k", touch("f")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("the rest of a killed build is still there: %v", err)
	}
}

func TestEnsureKeepsTheNewest(t *testing.T) {
	t.Parallel()
	c := cache{root: t.TempDir()}
	for i, key := range []string{"a", "b", "c"} {
		path, _, err := c.ensure(t.Context(), "x", key, touch("f"))
		if err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	// Used again, so "a" is not the oldest any more; a fourth pushes "b" out.
	if _, made, err := c.ensure(t.Context(), "x", "b", touch("f")); err != nil || made {
		t.Fatalf("made %t again, %v", made, err)
	}
	if _, _, err := c.ensure(t.Context(), "x", "d", touch("f")); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"a": false, "b": true, "c": false, "d": true} {
		if _, err := os.Stat(c.path("x", key)); (err == nil) != want {
			t.Errorf("entry %s is there: %t, want %t", key, err == nil, want)
		}
	}
}

func TestHashTreeSeesNamesAndContents(t *testing.T) {
	t.Parallel()
	hash := func(files map[string]string) string {
		root := t.TempDir()
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := hashTree(root, goSource)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	base := hash(map[string]string{"a.go": "1", "go.mod": "m"})
	tests := map[string]struct {
		files map[string]string
		same  bool
	}{
		"a test file does not count":   {map[string]string{"a.go": "1", "go.mod": "m", "a_test.go": "x"}, true},
		"a hidden file does not count": {map[string]string{"a.go": "1", "go.mod": "m", ".swp": "x"}, true},
		"content counts":               {map[string]string{"a.go": "2", "go.mod": "m"}, false},
		"a name counts":                {map[string]string{"b.go": "1", "go.mod": "m"}, false},
		"where one file ends counts":   {map[string]string{"a.go": "", "go.mod": "m1"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := hash(tt.files); (got == base) != tt.same {
				t.Errorf("equal hash: %t, want %t", got == base, tt.same)
			}
		})
	}
}

func TestKeyOfKeepsPartsApart(t *testing.T) {
	t.Parallel()
	if keyOf("ab", "c") == keyOf("a", "bc") {
		t.Error("parts run into each other")
	}
}
