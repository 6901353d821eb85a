package trust

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// TestInitRefusesPaths are the C10 rows: what is there is neither followed nor
// overwritten, and nothing of ours stays behind.
func TestInitRefusesPaths(t *testing.T) {
	t.Parallel()
	put := func(t *testing.T, path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(t *testing.T, to, path string) {
		t.Helper()
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		prepare    func(t *testing.T, dir string)
		code, text string
	}{
		"a file": {func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			put(t, dir)
		}, CodePath, "is not a directory"},
		"a link to a folder": {func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			link(t, t.TempDir(), dir)
		}, CodePath, "symbolic link"},
		"a link for a cluster": {func(t *testing.T, dir string) { link(t, t.TempDir(), filepath.Join(dir, "east")) }, CodePath, "exists already"},
		"a dangling link":      {func(t *testing.T, dir string) { link(t, "/none", filepath.Join(dir, "east")) }, CodePath, "exists already"},
		"a file for a cluster": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "east")) }, CodePath, "exists already"},
		"a folder of others":   {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "east", "notes")) }, CodePath, "exists already"},
		"only a root key":      {func(t *testing.T, dir string) { put(t, filepath.Join(dir, rootKeyFile)) }, CodeMaterial, "without root-cert.pem"},
		"only a cluster":       {func(t *testing.T, dir string) { put(t, filepath.Join(dir, "east", caCertKey)) }, CodeMaterial, "without root-cert.pem"},
		"a root of others":     {func(t *testing.T, dir string) { put(t, filepath.Join(dir, rootCertKey)) }, CodeMaterial, "no certificate"},
		"a link for the root":  {func(t *testing.T, dir string) { link(t, "/etc/hostname", filepath.Join(dir, rootCertKey)) }, CodeMaterial, "no regular file"},
		"a killed run":         {func(t *testing.T, dir string) { put(t, filepath.Join(dir, staging, "east", caKeyKey)) }, CodePath, "rm -r"},
		"a FIFO for the root": {func(t *testing.T, dir string) {
			if err := syscall.Mkfifo(filepath.Join(dir, rootCertKey), 0o600); err != nil {
				t.Fatal(err)
			}
		}, CodeMaterial, "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "ca")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tc.prepare(t, dir)
			before := tree(t, dir)
			_, err := Init(dir, "m", []string{"east", "west"}, Options{})
			wantProblem(t, err, problem.Input, tc.code, tc.text)
			if after := tree(t, dir); !maps.Equal(before, after) {
				t.Errorf("before %v\nafter %v", before, after)
			}
		})
	}
}

func TestInitIntoAFolderOfOtherThings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mesh.yaml"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	result, err := Init(dir, "m", []string{"east"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Material.Warnings) != 1 || !strings.Contains(result.Material.Warnings[0], "0755") {
		t.Errorf("warnings %v", result.Material.Warnings)
	}
	if files := tree(t, dir); files["/mesh.yaml"] != "-rw-r--r-- x" {
		t.Errorf("files %v", files)
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
}

// TestFailureLeavesNothing: where a rename fails half way, all is as before.
func TestFailureLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	if _, err := Init(dir, "m", []string{"east"}, Options{}); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	f, err := openOrMake(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	material := made(t, "m", "north", "west")
	files := material.files([]string{"north", "west"})
	err = f.staged(files, func() error { return f.move([]string{"north", "west", "gone"}, staging, ".") })
	wantProblem(t, err, problem.Input, CodePath, "cannot be used")
	if after := tree(t, dir); !maps.Equal(before, after) {
		t.Errorf("before %v\nafter %v", names(before), names(after))
	}
	// A file where a folder must be.
	files["north"] = []byte("x")
	wantProblem(t, f.staged(files, func() error { return nil }), problem.Input, CodePath, "cannot be used")
	if after := tree(t, dir); !maps.Equal(before, after) {
		t.Errorf("before %v\nafter %v", names(before), names(after))
	}
}

func TestUnwritableParent(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Init(filepath.Join(file, "ca"), "m", []string{"east"}, Options{})
	wantProblem(t, err, problem.Input, CodePath, "cannot be used")
}
