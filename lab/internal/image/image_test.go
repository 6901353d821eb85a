package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree makes the same files in an order and with times of its own.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for i, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content of "+name), 0o640); err != nil {
			t.Fatal(err)
		}
		when := time.Unix(int64(1000*i), 0)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("bin/a", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestLayersAndArchivesAreDeterministic(t *testing.T) {
	t.Parallel()
	archive := func(root string) []byte {
		layer := filepath.Join(t.TempDir(), "layer.tar")
		var buf bytes.Buffer
		if err := WriteTree(&buf, root, func(string) bool { return false }); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(layer, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := Write(&out, Image{Name: "lab.local/x:lab", Layers: []string{layer}, Cmd: []string{"/bin/a"}}); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	a, b := archive(tree(t, "bin/a", "bin/b", "etc/c")), archive(tree(t, "etc/c", "bin/b", "bin/a"))
	if !bytes.Equal(a, b) {
		t.Error("equal trees made different archives")
	}
}

func TestWriteTreeSkipsAndOpensUp(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	root := tree(t, "bin/a", "cache/x/y")
	if err := WriteTree(&buf, root, func(rel string) bool { return rel == "cache" }); err != nil {
		t.Fatal(err)
	}
	want := []string{"bin/ 0755", "bin/a 0644", "cache/ 0755", "link 0777"}
	if diff := cmp.Diff(want, names(t, &buf)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestWriteFilesMakesParentsOnce(t *testing.T) {
	t.Parallel()
	root := tree(t, "one", "two")
	var buf bytes.Buffer
	err := WriteFiles(&buf, []File{
		{Path: "usr/bin/one", Source: filepath.Join(root, "one"), Mode: 0o755},
		{Path: "usr/lib/two", Source: filepath.Join(root, "two"), Mode: 0o644},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"usr/ 0755", "usr/bin/ 0755", "usr/bin/one 0755", "usr/lib/ 0755", "usr/lib/two 0644"}
	if diff := cmp.Diff(want, names(t, &buf)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestArchiveNamesItsLayersByContent(t *testing.T) {
	t.Parallel()
	layer := filepath.Join(t.TempDir(), "l")
	if err := os.WriteFile(layer, []byte("layer"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Write(&out, Image{Name: "lab.local/x:lab", Layers: []string{layer}, User: "1337", Env: []string{"A=b"}}); err != nil {
		t.Fatal(err)
	}
	files := contents(t, &out)
	var list []manifest
	if err := json.Unmarshal(files["manifest.json"], &list); err != nil || len(list) != 1 {
		t.Fatalf("manifest.json %q: %v", files["manifest.json"], err)
	}
	var conf config
	if err := json.Unmarshal(files[list[0].Config], &conf); err != nil {
		t.Fatal(err)
	}
	digest := strings.TrimSuffix(list[0].Layers[0], ".tar")
	if string(files[digest+".tar"]) != "layer" || conf.RootFS.DiffIDs[0] != "sha256:"+digest {
		t.Errorf("layer %s is not the one the config names, %v", digest, conf.RootFS.DiffIDs)
	}
	if conf.Config.User != "1337" || conf.Config.Env[1] != "A=b" || len(conf.History) != 1 {
		t.Errorf("config %+v", conf)
	}
}

func names(t *testing.T, r io.Reader) []string {
	t.Helper()
	var got []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s: owner %d:%d, time %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		got = append(got, h.Name+" 0"+modeText(h.Mode))
	}
}

func modeText(mode int64) string {
	return string([]byte{'0' + byte(mode>>6&7), '0' + byte(mode>>3&7), '0' + byte(mode&7)})
}

func contents(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}
