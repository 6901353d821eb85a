package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

const head = "apiVersion: eastwest.dev/v1alpha1\nkind: Mesh\n"

func TestDecode(t *testing.T) {
	t.Parallel()
	mesh, err := Decode([]byte(head + `metadata: {name: proj-1}
spec:
  topology: hub:east
  clusters:
    - name: east
      kubeconfig: east.yaml
      gateway:
        public: false
        values: {service: {anything: goes here}}
    - {context: west}
  peers: {tokenTTL: 720h}
`))
	if err != nil {
		t.Fatal(err)
	}
	spec := mesh.Spec
	if mesh.Metadata.Name != "proj-1" || len(spec.Clusters) != 2 || spec.Clusters[0].Kubeconfig != "east.yaml" ||
		spec.Clusters[0].Gateway.Public == nil || *spec.Clusters[0].Gateway.Public ||
		spec.Clusters[1].Context != "west" || spec.Peers.TokenTTL.Hours() != 720 {
		t.Errorf("got %+v", mesh)
	}
}

// TestDecodeNamesTheLine holds errors to the path and the line that the reader
// must look at, also where the name of the field is right somewhere else.
func TestDecodeNamesTheLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"at the top":       {head + "colour: red\n", `line 3: unknown field "colour"`},
		"in a list":        {head + "spec:\n  clusters:\n    - name: a\n    - name: b\n      colour: red\n", `line 7: unknown field "spec.clusters[1].colour"`},
		"in braces":        {head + "spec:\n  peers: {noSecretRead: true,\n    colour: red}\n", `line 5: unknown field "spec.peers.colour"`},
		"right elsewhere":  {head + "metadata: {name: m}\nspec:\n  name: m\n", `line 5: unknown field "spec.name"`},
		"through an alias": {head + "spec:\n  gateway: &g\n    colour: red\n  clusters:\n    - gateway: *g\n", `line 5: unknown field "spec.clusters[0].gateway.colour"; line 5: unknown field "spec.gateway.colour"`},
		"with a dot":       {head + "spec:\n  a.b: 1\n", `line 4: unknown field "spec.a.b"`},
		"in other letters": {head + "Spec: {}\n", `line 3: unknown field "Spec"`},
		"two at once":      {head + "b: 1\na: 2\n", `line 3: unknown field "b"; line 4: unknown field "a"`},
		"written twice":    {head + "spec:\n  topology: full\n  topology: full\n", `line 5: duplicate field "spec.topology"`},
		"no YAML":          {head + "spec: [\n", "line 3: "},
		"the wrong type":   {head + "spec: {clusters: east}\n", "must be a list, not string"},
		"another version":  {"apiVersion: eastwest.dev/v1\nkind: Mesh\n", `not "eastwest.dev/v1" and "Mesh"`},
		"another kind":     {"apiVersion: eastwest.dev/v1alpha1\nkind: Cluster\n", `not "eastwest.dev/v1alpha1" and "Cluster"`},
		"nothing":          {"", "empty"},
		"a list":           {"- a\n", "not a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %q on one line", err, tc.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	stdin := func() ([]byte, error) { return []byte(head), nil }
	for name, tc := range map[string]struct {
		path  string
		stdin func() ([]byte, error)
		want  string // empty: it is accepted
	}{
		"a file":               {file("mesh.yaml", head), nil, ""},
		"standard input":       {"-", stdin, ""},
		"a broken pipe":        {"-", func() ([]byte, error) { return nil, errors.New("gone") }, "read mesh file -: gone"},
		"endless input":        {"-", func() ([]byte, error) { return make([]byte, maxFile+1), nil }, "larger than 1 MiB"},
		"no such file":         {filepath.Join(dir, "none"), nil, "no such file"},
		"a folder":             {dir, nil, "not a regular file"},
		"a FIFO":               {fifo, nil, "not a regular file"},
		"more than a mebibyte": {file("large", strings.Repeat("#", maxFile+1)), nil, "larger than 1 MiB"},
		"an unknown field":     {file("unknown.yaml", head+"colour: red\n"), nil, "unknown.yaml: line 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(tc.path, tc.stdin)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantInput(t, err, "MeshFileInvalid", tc.want)
		})
	}
}

// wantInput requires problems of the user's input, one of which has a code and a
// text.
func wantInput(t *testing.T, err error, code, text string) {
	t.Helper()
	found := false
	for _, one := range problem.All(err) {
		if one.Kind != problem.Input {
			t.Errorf("%v is not of the user's input", one)
		}
		found = found || one.Code == code && strings.Contains(one.Error()+"\n"+one.Fix, text)
	}
	if !found {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}
