package trust

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// made is the material of a fresh mesh.
func made(t testing.TB, mesh string, clusters ...string) *Material {
	t.Helper()
	return madeWith(t, mesh, Options{}, clusters...)
}

func madeWith(t testing.TB, mesh string, options Options, clusters ...string) *Material {
	t.Helper()
	result, err := Init(filepath.Join(t.TempDir(), "ca"), mesh, clusters, options)
	if err != nil {
		t.Fatal(err)
	}
	return result.Material
}

// plugged is a member whose istiod runs with an intermediate.
func plugged(in Intermediate) Objects {
	return Objects{RootPEM: in.Root, CACerts: PublicData(CACerts(in, ""))}
}

// selfSigned is a member whose istiod made its own CA.
func selfSigned(t testing.TB) Objects {
	t.Helper()
	root := made(t, "own", "x").Root
	return Objects{RootPEM: root, SelfSigned: true}
}

// codes are severity and code of findings, in order.
func codes(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, string(f.Severity)+" "+f.Code)
	}
	return out
}

// tree is what a folder holds: path to mode and content.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, content := strings.TrimPrefix(path, dir), info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content += " " + string(data)
		}
		out[name] = content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }

// wantProblem checks kind, code and text of an error.
func wantProblem(t *testing.T, err error, kind problem.Kind, code, text string) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("error is no problem: %v", err)
	}
	if p.Kind != kind || p.Code != code {
		t.Errorf("kind %v, code %q; want %v, %q (%v)", p.Kind, p.Code, kind, code, err)
	}
	if !strings.Contains(err.Error()+"\n"+p.Fix, text) {
		t.Errorf("error %q, fix %q: want %q in it", err, p.Fix, text)
	}
	if strings.Contains(err.Error()+p.Fix, "BEGIN") {
		t.Errorf("error holds PEM: %v", err)
	}
}

// later is a time when the notice of expiry is due for a CA of ten years.
func later() time.Time { return time.Now().Add(10*year - 24*time.Hour) }
