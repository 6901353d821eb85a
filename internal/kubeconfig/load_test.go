package kubeconfig

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLoadRejectsFiles are the K01 rows that need a real file. None of them may
// block: a FIFO without a writer would for ever.
func TestLoadRejectsFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs FIFOs and devices")
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	large := write(t, "large", []byte(strings.Repeat("#", maxSize+1)))
	sparse := write(t, "sparse", nil)
	if err := os.Truncate(sparse, 1<<40); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ path, text string }{
		"no such file":          {filepath.Join(dir, "none"), "does not exist"},
		"a folder that is none": {filepath.Join(large, "x"), "not a directory"},
		"an empty file":         {write(t, "empty", nil), "is empty"},
		"a directory":           {dir, "is a directory"},
		"a FIFO":                {fifo, "is a FIFO"},
		"a link to a FIFO":      {link, "is a FIFO"},
		"a device":              {"/dev/zero", "is a device"},
		"the null device":       {os.DevNull, "is a device"},
		"more than a mebibyte":  {large, "larger than 1048576 bytes"},
		"a tebibyte of nothing": {sparse, "larger than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := Load(Ref{Path: tc.path}, CommandLine(true))
			wantProblem(t, err, CodeInvalid, tc.text)
			if !strings.Contains(err.Error(), tc.path) {
				t.Errorf("error names no file: %v", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestLoadFollowsPaths is K07 on the command line: files beside the kubeconfig
// are read, and a plugin with a relative path is found there.
func TestLoadFollowsPaths(t *testing.T) {
	t.Parallel()
	cluster, _, ca := fields(t)
	client := issue(t, leaf)
	cluster = with(with(cluster, "certificate-authority-data", nil), "certificate-authority", "ca.pem")
	path := write(t, "config", doc(t, cluster, map[string]any{
		"tokenFile": "token", "client-certificate": "cert.pem", "client-key": "key.pem",
		"exec": plugin(map[string]any{"command": "bin/login"}),
	}))
	dir := filepath.Dir(path)
	for name, data := range map[string][]byte{"ca.pem": ca.cert, "token": []byte("abc\n"), "cert.pem": client.cert, "key.pem": client.key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(Ref{Path: path}, CommandLine(true))
	if err != nil {
		t.Fatal(err)
	}
	c := got.Config
	if c.BearerToken != "abc" || c.BearerTokenFile != filepath.Join(dir, "token") || string(c.CAData) != string(ca.cert) || string(c.KeyData) != string(client.key) {
		t.Errorf("config %v", c)
	}
	if got.Origin != path || got.ExecCommand != filepath.Join(dir, "bin/login") {
		t.Errorf("origin %q, plugin %q", got.Origin, got.ExecCommand)
	}
	if err := os.Remove(filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "token"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(Ref{Path: path}, CommandLine(true))
	wantProblem(t, err, CodePath, "is a FIFO")
	_, err = Load(Ref{Path: path}, Agent())
	wantProblem(t, err, CodePath, "no file is read")
}

func TestLoadDefaultMergesLikeKubectl(t *testing.T) {
	t.Parallel()
	cluster, user, ca := fields(t)
	file := func(current, context, server string) string {
		c := with(with(cluster, "server", server), "certificate-authority-data", nil)
		path := write(t, "config", marshal(t, map[string]any{
			"current-context": current,
			"clusters":        []any{map[string]any{"name": "c-" + context, "cluster": with(c, "certificate-authority", "ca.pem")}},
			"users":           []any{map[string]any{"name": "shared", "user": with(user, "token", "of-"+context)}},
			"contexts":        contexts(map[string][2]string{context: {"c-" + context, "shared"}}),
		}))
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "ca.pem"), ca.cert, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	paths := []string{"/none/config", file("", "a", "https://a:1"), file("b", "b", "https://b:1"), file("a", "a", "https://c:1")}

	got, err := LoadDefault(paths, nil, CommandLine(true))
	if err != nil || len(got) != 1 || got[0].Context != "b" || got[0].Config.BearerToken != "of-a" {
		t.Fatalf("the first current context and the first user count: got %+v, %v", got, err)
	}
	got, err = LoadDefault(paths, []string{"b", "a"}, CommandLine(true))
	if err != nil || len(got) != 2 || got[0].Server != "https://b:1" || got[1].Server != "https://a:1" {
		t.Fatalf("contexts in the order asked, the first of equal names: got %+v, %v", got, err)
	}
	if got[1].Origin != paths[1] || string(got[1].CA) != string(ca.cert) {
		t.Errorf("paths are resolved against their own file: origin %q", got[1].Origin)
	}
	_, err = LoadDefault(paths, []string{"a", "x", "y"}, CommandLine(true))
	wantProblem(t, err, CodeInvalid, `context "x" does not exist`)
	if !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("not every context is reported: %v", err)
	}
	_, err = LoadDefault(paths[:1], nil, CommandLine(true))
	wantProblem(t, err, CodeInvalid, "no kubeconfig found")
	_, err = LoadDefault([]string{paths[1], t.TempDir()}, nil, CommandLine(true))
	wantProblem(t, err, CodeInvalid, "is a directory")
}

func TestDefaultPaths(t *testing.T) {
	t.Parallel()
	list := strings.Join([]string{"/a", "", "/b", "/a"}, string(os.PathListSeparator))
	for name, tc := range map[string]struct {
		env, home string
		want      []string
	}{
		"KUBECONFIG, each file once": {list, "/home/u", []string{"/a", "/b"}},
		"the home directory":         {"", "/home/u", []string{filepath.Join("/home/u", ".kube", "config")}},
		"neither":                    {"", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := DefaultPaths(func(string) string { return tc.env }, tc.home); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestHomeIsExpanded(t *testing.T) {
	cluster, user, _ := fields(t)
	path := write(t, "config", doc(t, cluster, user))
	t.Setenv("HOME", filepath.Dir(path))
	got, err := Load(Ref{Path: "~/config"}, CommandLine(true))
	if err != nil || got.Origin != path {
		t.Fatalf("got %+v, %v", got, err)
	}
}
