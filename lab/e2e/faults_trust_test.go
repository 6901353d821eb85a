//go:build e2e

package e2e

import (
	"os"
	"testing"
)

// trustFaults give c2 another CA while the mesh runs.
func trustFaults() map[string]fault {
	other := dir("other-trust")
	replace := func(t *testing.T, from string) {
		t.Helper()
		must(t, join([]string{"trust", "apply", "--dir", from, "--replace-ca", "--restart-workloads"}, members(2))...)
	}
	return map[string]fault{
		"roots differ after a CA was replaced": {
			inject: func(t *testing.T) {
				if err := os.RemoveAll(other); err != nil {
					t.Fatal(err)
				}
				must(t, "trust", "init", "--dir", other, "--mesh", "lab-mesh", "c2")
				replace(t, other)
			},
			undo:  func(t *testing.T) { replace(t, dir("trust")) },
			check: "certificate-roots", hop: "certificate", cluster: "c2", fix: "eastwest trust apply --replace-ca", links: both,
		},
	}
}
