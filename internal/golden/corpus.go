package golden

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// wantPrefix begins the names of expected outputs in a case; all other files of
// it are inputs.
const wantPrefix = "want/"

// Case is one case of a corpus: what is put in.
type Case struct {
	// About is the text above the first file: what the case shows.
	About string

	inputs map[string][]byte
	read   map[string]bool
}

// Input is the content of an input file; ok is false where the case has none of
// that name.
func (c *Case) Input(name string) (content []byte, ok bool) {
	content, ok = c.inputs[name]
	c.read[name] = true
	return content, ok
}

// Corpus runs every txtar file that matches the glob as a subtest named after
// it. run turns the case's inputs into outputs by name, which must be equal to
// the files below want/ in the same file, no more and no fewer. An input that is
// never read fails, too. With -update the outputs are written anew, and those
// that nothing makes any more disappear.
func Corpus(t *testing.T, glob string, run func(t *testing.T, in *Case) map[string][]byte) {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no case matches %s (%v)", glob, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in, want := split(archive)
			got := run(t, in)
			for _, name := range in.unread() {
				t.Errorf("%s: nothing reads %s", path, name)
			}
			if Updating(t) {
				write(t, path, txtar.Format(join(archive, got)))
				return
			}
			if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
				t.Errorf("%s differs (-want +got); if that is right: go test -update\n%s", path, diff)
			}
		})
	}
}

// split tells inputs from expected outputs.
func split(archive *txtar.Archive) (in *Case, want map[string][]byte) {
	in = &Case{About: strings.TrimSpace(string(archive.Comment)), inputs: map[string][]byte{}, read: map[string]bool{}}
	want = map[string][]byte{}
	for _, file := range archive.Files {
		if name, isOutput := strings.CutPrefix(file.Name, wantPrefix); isOutput {
			want[name] = file.Data
		} else {
			in.inputs[file.Name] = file.Data
		}
	}
	return in, want
}

// unread lists the inputs that were never asked for, sorted.
func (c *Case) unread() []string {
	var names []string
	for name := range c.inputs {
		if !c.read[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// join keeps the inputs of an archive and puts the outputs behind them, sorted.
func join(archive *txtar.Archive, outputs map[string][]byte) *txtar.Archive {
	joined := &txtar.Archive{Comment: archive.Comment}
	for _, file := range archive.Files {
		if !strings.HasPrefix(file.Name, wantPrefix) {
			joined.Files = append(joined.Files, file)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		joined.Files = append(joined.Files, txtar.File{Name: wantPrefix + name, Data: outputs[name]})
	}
	return joined
}

// texts makes differences readable. A txtar file cannot hold a text without a
// line break at its end.
func texts(files map[string][]byte) map[string]string {
	out := map[string]string{}
	for name, content := range files {
		text := string(content)
		if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
			text += "\n"
		}
		out[name] = text
	}
	return out
}
