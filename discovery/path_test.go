package discovery

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// runs is how often a long test is repeated: the number in the environment, or one that
// takes seconds.
func runs(t *testing.T, short int) int {
	t.Helper()
	text := os.Getenv("EASTWEST_RUNS")
	if text == "" {
		return short
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("EASTWEST_RUNS is %q", text)
	}
	return count
}

// long is true where tests may take minutes.
func long() bool { return os.Getenv("EASTWEST_RUNS") != "" }

// TestThePath has anything happen to a mesh, and judges by an oracle what its gateways
// are told: after every step that nothing was made up, lost or mixed up, and at rest that
// it is what it must be. Lists of what happened that once were wrong are kept in
// testdata/path, and come first.
func TestThePath(t *testing.T) {
	t.Parallel()
	kept, err := filepath.Glob("testdata/path/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range kept {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ops, err := parseOps(string(text))
			if err != nil {
				t.Fatal(err)
			}
			judge(t, ops)
		})
	}
	for seed := range runs(t, 3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			judge(t, randomOps(uint64(seed), 60))
		})
	}
}

// judge runs a list, and shortens it where it goes wrong.
func judge(t *testing.T, ops []op) {
	t.Helper()
	wrong := follow(t, ops)
	if len(wrong) == 0 {
		return
	}
	ops = shorten(ops, func(some []op) bool { return len(follow(t, some)) > 0 })
	var lines []string
	for _, one := range ops {
		lines = append(lines, one.String())
	}
	t.Errorf("%s\n\nthis is enough; keep it in testdata/path:\n%s\n\nand it says:\n%s",
		strings.Join(wrong, "\n"), strings.Join(lines, "\n"), strings.Join(follow(t, ops), "\n"))
}

// follow runs a list in a new world, and returns what was wrong.
func follow(t *testing.T, ops []op) (wrong []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.rest()
		for burst := range slices.Chunk(ops, 3) {
			w.step(burst)
			if len(w.violations) > 0 {
				wrong = w.violations
				return
			}
		}
		w.rest()
		w.checkSecrets()
		wrong = w.violations
	})
	return wrong
}

// shorten leaves out what is not needed for something to go wrong: the end first, then
// halves, quarters and so on, then one at a time. It gives up after some attempts.
func shorten(ops []op, fails func([]op) bool) []op {
	attempts := 150
	for size := len(ops) / 2; size > 0; size /= 2 {
		for from := len(ops) - size; from >= 0 && attempts > 0; from -= size {
			attempts--
			if less := slices.Delete(slices.Clone(ops), from, min(from+size, len(ops))); fails(less) {
				ops = less
			}
		}
	}
	return ops
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}
