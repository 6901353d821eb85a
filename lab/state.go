package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/eastwest-mesh/eastwest/lab/internal/build"
	"github.com/eastwest-mesh/eastwest/lab/internal/host"
	"github.com/eastwest-mesh/eastwest/lab/internal/node"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// ErrNotUp means that there is no lab of that name.
var ErrNotUp = errors.New("no such lab")

const (
	specFile      = "lab.json"
	artifactsFile = "artifacts.json"
)

// loadSpec reads what the lab is. A file that is torn or missing is no lab.
func loadSpec(name string) (*spec, error) {
	return readSpec(filepath.Join(plan.Lab{Name: name}.Dir(), specFile), name)
}

func readSpec(path, name string) (*spec, error) {
	var s spec
	if err := loadJSON(path, &s); err != nil {
		return nil, fmt.Errorf("lab %q: %w (%w)", name, ErrNotUp, err)
	}
	if s.Name != name || len(s.Clusters) == 0 || len(s.Clusters) > plan.MaxClusters {
		return nil, fmt.Errorf("lab %q: %w (%s is of no use)", name, ErrNotUp, path)
	}
	return &s, nil
}

func loadArtifacts(name string) (*build.Artifacts, error) {
	var a build.Artifacts
	if err := loadJSON(filepath.Join(plan.Lab{Name: name}.Dir(), artifactsFile), &a); err != nil {
		return nil, fmt.Errorf("lab %q: find its executables: %w", name, err)
	}
	return &a, nil
}

func loadJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func storeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return node.WriteFile(path, append(data, '\n'), 0o644)
}

// settle fits what is wanted to the lab there is: clusters may be added and
// Istio may be installed later, but nothing changes under a running cluster.
func settle(have, want *spec) (*spec, error) {
	if have == nil {
		return want, nil
	}
	want.Subnet = have.Subnet
	if have.Flat != want.Flat || have.SameCIDRs != want.SameCIDRs {
		return nil, fmt.Errorf("lab %q is up with other networks (flat %t, same CIDRs %t); fix: lab down --name %s", have.Name, have.Flat, have.SameCIDRs, have.Name)
	}
	if len(want.Clusters) < len(have.Clusters) {
		return nil, fmt.Errorf("lab %q is up with %d clusters; fix: lab down --name %s", have.Name, len(have.Clusters), have.Name)
	}
	for i, c := range have.Clusters {
		if want.Clusters[i].Istio == nil {
			want.Clusters[i] = c
		}
		if c.Istio != nil && !reflect.DeepEqual(c.Istio, want.Clusters[i].Istio) {
			return nil, fmt.Errorf("cluster c%d of lab %q is up with another Istio; fix: lab down --name %s", i+1, have.Name, have.Name)
		}
	}
	return want, nil
}

// allot finds a bridge network that neither another lab nor the host has.
func allot(ctx context.Context, s *spec) error {
	taken := map[int]bool{}
	entries, err := os.ReadDir(plan.StateRoot)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("list labs: %w", err)
	}
	for _, e := range entries {
		if other, err := loadSpec(e.Name()); err == nil && other.Name != s.Name {
			taken[other.Subnet] = true
		}
	}
	first := 1
	if s.Name == DefaultName {
		first = 0
	}
	for subnet := first; subnet <= plan.MaxSubnet; subnet++ {
		s.Subnet = subnet
		if taken[subnet] {
			continue
		}
		free, err := host.FreeSubnet(ctx, s.plan())
		if err != nil || free {
			return err
		}
	}
	return fmt.Errorf("lab %q: no network of 172.30.X.0/24 is free", s.Name)
}
