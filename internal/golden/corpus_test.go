package golden

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestUpper is a corpus of its own: it shows the form of a case, and is what
// TestCorpusOnAChild runs on broken ones.
func TestUpper(t *testing.T) {
	glob := "testdata/*.txtar"
	if dir := os.Getenv("GOLDEN_TEST_DIR"); dir != "" {
		glob = filepath.Join(dir, "*.txtar")
	}
	Corpus(t, glob, func(_ *testing.T, in *Case) map[string][]byte {
		word, _ := in.Input("word")
		if strings.Contains(in.About, "silent") {
			return nil
		}
		return map[string][]byte{"upper": []byte(strings.ToUpper(string(word)))}
	})
}

// TestCorpusOnAChild runs TestUpper in a process of its own on one case, to see
// what fails and what -update leaves behind.
func TestCorpusOnAChild(t *testing.T) {
	t.Parallel()
	const right = "-- word --\nlow\n-- want/upper --\nLOW\n"
	for name, tc := range map[string]struct {
		file   string
		update bool
		ci     string
		says   string // in the output of a failed run; empty: it passes
		after  string // the file after the run; empty: as before
	}{
		"an equal output passes":                      {file: right},
		"a different output fails":                    {file: "-- word --\nlow\n-- want/upper --\nHIGH\n", says: "differs"},
		"an output that nothing makes fails":          {file: "silent\n" + right, says: "differs"},
		"an input that nothing reads fails":           {file: "-- extra --\n" + right, says: "nothing reads extra"},
		"an update writes the output":                 {file: "-- word --\nlow\n", update: true, after: right},
		"an update deletes what nothing makes":        {file: "silent\n" + right, update: true, after: "silent\n-- word --\nlow\n"},
		"an update keeps comment and order of inputs": {file: "note\n-- want/old --\n-- word --\nlow\n", update: true, after: "note\n" + right},
		"an update is refused in CI":                  {file: right, update: true, ci: "true", says: "not for CI"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "case.txtar")
			if err := os.WriteFile(path, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUpper$")
			if tc.update {
				child.Args = append(child.Args, "-update")
			}
			child.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "GOLDEN_TEST_DIR="+filepath.Dir(path), "CI="+tc.ci)
			out, err := child.CombinedOutput()
			if (err != nil) != (tc.says != "") || !strings.Contains(string(out), tc.says) {
				t.Errorf("got %v, want %q in:\n%s", err, tc.says, out)
			}
			after := tc.after
			if after == "" {
				after = tc.file
			}
			got, err := os.ReadFile(path)
			if diff := cmp.Diff(after, string(got)); err != nil || diff != "" {
				t.Errorf("the file is now (-want +got) %v:\n%s", err, diff)
			}
		})
	}
}

func TestAnEmptyCorpusFails(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUpper$")
	child.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "GOLDEN_TEST_DIR="+t.TempDir())
	if out, err := child.CombinedOutput(); err == nil || !strings.Contains(string(out), "no case matches") {
		t.Errorf("a glob without a match must fail, got %v:\n%s", err, out)
	}
}

func TestJoinSortsOutputs(t *testing.T) {
	t.Parallel()
	got := txtar.Format(join(&txtar.Archive{}, map[string][]byte{"b": []byte("2\n"), "a": []byte("1\n")}))
	if want := "-- want/a --\n1\n-- want/b --\n2\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
