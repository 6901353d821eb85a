package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// proofs are pages whose claims are shown by tests that they name.
var proofs = []string{"security.md", "faults.md"}

var (
	declaresTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	// named are, in the order of the text: a package, the end of a cell or line, a test,
	// and cases of a corpus. Tests are of the package before them in their cell.
	named = regexp.MustCompile("`((?:discovery|installer|internal|lab|cmd|api)(?:/[a-z0-9-]+)*)`|([|\n])|\\b((?:Test|Fuzz|Benchmark)[A-Z]\\w*)|corpus \\(([a-z0-9, -]+)\\)")
)

// TestDocumentsNameTestsThatExist holds the pages on faults and security to the tree: a
// test, a case or a package that they name and that is not there proves nothing.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	there := declared(t, "../..")
	if len(there.tests) < 300 || len(there.cases) < 30 {
		t.Fatalf("only %d tests and %d cases found: the walk is broken", len(there.tests), len(there.cases))
	}
	for _, page := range proofs {
		text, err := os.ReadFile(filepath.Join("../../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, missing := range there.unknown(string(text)) {
			t.Errorf("docs/%s names %s, which does not exist", page, missing)
		}
	}
}

// TestAMissingTestIsSeen shows the rule what it must refuse.
func TestAMissingTestIsSeen(t *testing.T) {
	t.Parallel()
	there := proven{
		folders: map[string]bool{"discovery/watch": true, "discovery/merge": true},
		tests:   map[string][]string{"TestThere": {"discovery/watch"}, "FuzzThere": {"discovery/merge"}}, cases: map[string]bool{"a-case": true},
	}
	text := "| `discovery/watch` TestThere, FuzzThere | FuzzThere, TestGone |\n`discovery/none` and `discovery/merge` corpus (a-case, a-gone-case)"
	want := "FuzzThere of discovery/watch; TestGone; discovery/none; case a-gone-case"
	if got := strings.Join(there.unknown(text), "; "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// proven is what there is: folders, tests with the packages that have them, and cases.
type proven struct {
	folders map[string]bool
	tests   map[string][]string
	cases   map[string]bool
}

// unknown lists what a text names and there is not.
func (p proven) unknown(text string) []string {
	var missing []string
	at := ""
	for _, found := range named.FindAllStringSubmatch(text, -1) {
		folder, end, test, cases := found[1], found[2], found[3], found[4]
		switch {
		case end != "":
			at = ""
		case folder != "":
			if at = folder; !p.folders[folder] {
				missing = append(missing, folder)
			}
		case test != "" && at == "" && p.tests[test] == nil:
			missing = append(missing, test)
		case test != "" && at != "" && !slices.Contains(p.tests[test], at):
			missing = append(missing, test+" of "+at)
		case cases != "":
			for name := range strings.SplitSeq(cases, ", ") {
				if !p.cases[name] {
					missing = append(missing, "case "+name)
				}
			}
		}
	}
	return missing
}

// declared is what there is below a folder.
func declared(t *testing.T, root string) proven {
	t.Helper()
	there := proven{map[string]bool{}, map[string][]string{}, map[string]bool{}}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), root+"/")
		switch {
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return filepath.SkipDir
		case strings.HasSuffix(path, ".txtar"):
			there.cases[strings.TrimSuffix(entry.Name(), ".txtar")] = true
		case strings.HasSuffix(path, ".go"):
			there.folders[folder] = true
			if !strings.HasSuffix(path, "_test.go") {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range declaresTest.FindAllStringSubmatch(string(text), -1) {
				there.tests[found[1]] = append(there.tests[found[1]], folder)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return there
}
