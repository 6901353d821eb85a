package lab

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/eastwest-mesh/eastwest/lab/internal/build"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// DefaultRevision is the revision of istiod unless another is asked for.
const DefaultRevision = "asm-1232-2"

// DefaultName is the name of the lab which a person brings up.
const DefaultName = plan.DefaultName

// Roots says which roots the CAs of the clusters have.
type Roots string

const (
	// RootsNone leaves it to each istiod to sign itself: unrelated roots.
	RootsNone Roots = "none"
	// RootsSeparate gives each istiod a CA below a root of its own.
	RootsSeparate Roots = "separate"
	// RootsShared gives each istiod a CA below one root of the lab.
	RootsShared Roots = "shared"
)

// Options say what lab to bring up. The zero value of a field is its default.
type Options struct {
	// Name tells labs on one host apart: at most six lower-case letters and
	// digits; default "lab".
	Name string
	// Clusters is their number, 1 to 9; default: as many as the lab has, or 1.
	// With nothing but a name set, Up completes the lab there is, as it is.
	Clusters int
	// Istio, when set, is installed in every cluster.
	Istio *Istio
	// Flat routes the pod networks between the clusters.
	Flat bool
	// SameCIDRs gives all clusters the same pod and service networks.
	SameCIDRs bool
	// Each, when set, may change what one cluster gets, once its defaults are
	// filled in; clusters count from 1. No Istio: set Cluster.Istio to nil.
	Each func(index int, c *ClusterSpec)
	// Source is the root of the source tree; default: see FindSource.
	Source string
	// Cache is the directory of built components; default: see CacheDir.
	Cache string
	// Progress, when set, gets a line per step.
	Progress io.Writer
}

// Istio describes the istiod of one cluster.
type Istio struct {
	// Revision is the revision's name; default DefaultRevision.
	Revision string `json:"revision"`
	// MeshID defaults to "lab-mesh".
	MeshID string `json:"meshID"`
	// ClusterID is the name istiod knows its cluster by; default cN.
	ClusterID string `json:"clusterID"`
	// Network defaults to net-cN, or to "flat" in a flat lab.
	Network string `json:"network"`
	// Roots defaults to RootsNone.
	Roots Roots `json:"roots"`
	// DefaultTag makes the revision the default one.
	DefaultTag bool `json:"defaultTag,omitempty"`
	// Values are further --set arguments of istioctl; they win.
	Values []string `json:"values,omitempty"`
}

// ClusterSpec is what one cluster of a lab is.
type ClusterSpec struct {
	// Istio is nil for a cluster without.
	Istio *Istio `json:"istio,omitempty"`
}

// spec is what a lab is; it is stored with the lab.
type spec struct {
	Name      string        `json:"name"`
	Subnet    int           `json:"subnet"`
	Flat      bool          `json:"flat"`
	SameCIDRs bool          `json:"sameCIDRs"`
	Clusters  []ClusterSpec `json:"clusters"`
}

func (s *spec) plan() plan.Lab {
	return plan.Lab{Name: s.Name, Subnet: s.Subnet, SameCIDRs: s.SameCIDRs, Flat: s.Flat}
}

// FindSource finds the source tree at or above the working directory or the
// executable.
func FindSource() (string, error) { return build.FindSource() }

// CacheDir is where built components are kept: $EASTWEST_LAB_CACHE, or a
// directory in the user's cache.
func CacheDir() (string, error) { return build.CacheDir() }

// Versions lists what the lab is made of, a name and a version each.
func Versions() []string { return build.Versions() }

// want turns options into what the lab is to be; the subnet is still open.
func (o Options) want() (*spec, error) {
	if err := plan.CheckName(o.Name); err != nil {
		return nil, err
	}
	if o.Clusters < 1 || o.Clusters > plan.MaxClusters {
		return nil, fmt.Errorf("number of clusters: %d: want 1 to %d", o.Clusters, plan.MaxClusters)
	}
	if o.Flat && o.SameCIDRs {
		return nil, errors.New("a flat lab needs distinct networks: choose flat or same CIDRs")
	}
	s := &spec{Name: o.Name, Flat: o.Flat, SameCIDRs: o.SameCIDRs}
	for i := 1; i <= o.Clusters; i++ {
		c := ClusterSpec{}
		if o.Istio != nil {
			c.Istio = o.Istio.withDefaults(s.plan().Cluster(i))
		}
		if o.Each != nil {
			o.Each(i, &c)
		}
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("cluster %d: %w", i, err)
		}
		s.Clusters = append(s.Clusters, c)
	}
	return s, nil
}

func (i Istio) withDefaults(c plan.Cluster) *Istio {
	network := "net-" + c.Name()
	if c.Lab.Flat {
		network = "flat"
	}
	i.Revision = orDefault(i.Revision, DefaultRevision)
	i.MeshID = orDefault(i.MeshID, "lab-mesh")
	i.ClusterID = orDefault(i.ClusterID, c.Name())
	i.Network = orDefault(i.Network, network)
	i.Roots = Roots(orDefault(string(i.Roots), string(RootsNone)))
	i.Values = slices.Clone(i.Values)
	return &i
}

func (c ClusterSpec) check() error {
	if c.Istio == nil {
		return nil
	}
	if !slices.Contains([]Roots{RootsNone, RootsSeparate, RootsShared}, c.Istio.Roots) {
		return fmt.Errorf("roots %q: want %s, %s or %s", c.Istio.Roots, RootsShared, RootsSeparate, RootsNone)
	}
	return nil
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
