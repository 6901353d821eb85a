package lab

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWantFillsDefaults(t *testing.T) {
	t.Parallel()
	s, err := Options{
		Name: "e2e", Clusters: 3, Istio: &Istio{Roots: RootsShared},
		Each: func(index int, c *ClusterSpec) {
			switch index {
			case 2:
				c.Istio.Network = "other"
			case 3:
				c.Istio = nil
			}
		},
	}.want()
	if err != nil {
		t.Fatal(err)
	}
	want := []ClusterSpec{
		{Istio: &Istio{Revision: DefaultRevision, MeshID: "lab-mesh", ClusterID: "c1", Network: "net-c1", Roots: RootsShared}},
		{Istio: &Istio{Revision: DefaultRevision, MeshID: "lab-mesh", ClusterID: "c2", Network: "other", Roots: RootsShared}},
		{},
	}
	if diff := cmp.Diff(want, s.Clusters); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
}

func TestWantRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"a bad name":             {Name: "a b", Clusters: 1},
		"no clusters":            {Name: "lab"},
		"ten clusters":           {Name: "lab", Clusters: 10},
		"flat with equal CIDRs":  {Name: "lab", Clusters: 2, Flat: true, SameCIDRs: true},
		"a kind of roots unseen": {Name: "lab", Clusters: 1, Istio: &Istio{Roots: "x"}},
	} {
		if _, err := o.want(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	istio := func(network string) ClusterSpec { return ClusterSpec{Istio: &Istio{Network: network}} }
	have := &spec{Name: "lab", Subnet: 7, Clusters: []ClusterSpec{istio("a"), {}}}
	tests := map[string]struct {
		want *spec
		ok   bool
	}{
		"the same":                  {&spec{Clusters: []ClusterSpec{istio("a"), {}}}, true},
		"a cluster more":            {&spec{Clusters: []ClusterSpec{istio("a"), {}, {}}}, true},
		"Istio where there is none": {&spec{Clusters: []ClusterSpec{istio("a"), istio("b")}}, true},
		"Istio not asked for again": {&spec{Clusters: []ClusterSpec{{}, {}}}, true},
		"a cluster less":            {&spec{Clusters: []ClusterSpec{istio("a")}}, false},
		"another Istio":             {&spec{Clusters: []ClusterSpec{istio("b"), {}}}, false},
		"other networks":            {&spec{Flat: true, Clusters: []ClusterSpec{istio("a"), {}}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := settle(have, tt.want)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want ok %t", err, tt.ok)
			}
			if tt.ok && (got.Subnet != have.Subnet || !cmp.Equal(got.Clusters[0], have.Clusters[0])) {
				t.Errorf("got %+v, want the subnet and the first cluster of %+v", got, have)
			}
		})
	}
}

func TestTornStateIsNoLab(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty":     "",
		"torn":      `{"name": "x`,
		"other lab": `{"name": "y", "clusters": [{}]}`,
	} {
		path := filepath.Join(t.TempDir(), specFile)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readSpec(path, "x"); !errors.Is(err, ErrNotUp) {
			t.Errorf("%s: %v, want %v", name, err, ErrNotUp)
		}
	}
	if _, err := Open("nolab"); !errors.Is(err, ErrNotUp) {
		t.Errorf("no file: %v, want %v", err, ErrNotUp)
	}
}
