package config

import (
	"os"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// FuzzDecode: whatever is in a mesh file, it is rejected with words or accepted;
// what is accepted survives defaults, validation and being written and read
// again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(head))
	f.Add([]byte(head + "spec:\n  clusters:\n    - name: b\n      colour: red\n"))
	f.Add([]byte(head + "spec: &a\n  clusters: [*a]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte(head + "? [a]\n: b\n"))
	f.Add([]byte(head + "spec: {gateway: {values: {1: 2, a.b: [x, {c: d}]}}, a.b[0]: 1}\n"))
	if sample, err := os.ReadFile("../../samples/mesh.yaml"); err == nil {
		f.Add(sample)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		mesh, err := Decode(text)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("rejected without a word")
			}
			return
		}
		Default(mesh)
		if err := Validate(mesh); err != nil && problem.ExitCode(err) != problem.ExitInput {
			t.Fatalf("validation is not of the input: %v", err)
		}
		written, err := yaml.Marshal(mesh)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(written); err != nil {
			t.Fatalf("what was accepted is rejected when written again: %v\n%s", err, written)
		}
	})
}
