//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/objects"
)

// wantLabelled wants our label on everything that a killed run left, probe pods
// included.
func wantLabelled(t *testing.T, before [2]snapshot) {
	t.Helper()
	for i := range before {
		for key, o := range linkObjects(t, i+1) {
			if _, ok := before[i][key]; ok {
				continue
			}
			if objects.Child(objects.Child(o, "metadata"), "labels")["app.kubernetes.io/managed-by"] != "eastwest" {
				t.Errorf("%s in c%d was left without our label", key, i+1)
			}
		}
		for _, pod := range probePods(t, i+1, "app.kubernetes.io/managed-by!=eastwest") {
			t.Errorf("%s in c%d was left without our label", pod, i+1)
		}
	}
}

// wantNothingLeft wants, after down, the objects that were there before and no
// probe pod.
func wantNothingLeft(t *testing.T, before [2]snapshot) {
	t.Helper()
	for i := range before {
		if err := objects.Differences(before[i], linkObjects(t, i+1)); err != nil {
			t.Errorf("c%d: %v", i+1, err)
		}
		if pods := probePods(t, i+1, "eastwest.dev/probe"); len(pods) > 0 {
			t.Errorf("c%d: %q are left", i+1, pods)
		}
	}
}

// probePods are the pods by name that probe addresses and match a selector.
func probePods(t *testing.T, i int, selector string) []string {
	t.Helper()
	var pods []string
	for name := range strings.FieldsSeq(kubectl(t, i, "-n", "istio-system", "get", "pods", "-o", "name", "-l", selector)) {
		if strings.Contains(name, "probe") {
			pods = append(pods, name)
		}
	}
	return pods
}
