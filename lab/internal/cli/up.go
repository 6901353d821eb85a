package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/lab"
)

func newBuild(s streams) *cobra.Command {
	o := lab.Options{Progress: s.err}
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build all components and images into the cache",
		Long: `Build every executable and image of the lab from source into a cache outside the
source tree ($EASTWEST_LAB_CACHE, default eastwest-lab in the user's cache
directory). What is unchanged is not built again. "lab up" does this by itself.

$ENVOY names another Envoy executable than the pinned one.`,
		Example: "  lab build",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return lab.Build(cmd.Context(), o) },
	}
	addSource(cmd, &o.Source)
	return cmd
}

func newUp(s streams) *cobra.Command {
	o := lab.Options{Progress: s.err}
	istio := lab.Istio{}
	withIstio, roots := false, string(lab.RootsNone)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring up clusters, or complete those there are",
		Long: `Bring up clusters c1 to cN in parallel and wait until they are ready. To call it
again is safe: it starts what does not run, adds clusters or Istio where asked,
and else changes nothing. Without flags it completes the lab there is.`,
		Example: `  lab up --clusters 2 --istio --roots separate
  lab up --name e2e --clusters 3 --istio --roots shared
  lab up --clusters 2 --flat`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if withIstio {
				istio.Roots = lab.Roots(roots)
				o.Istio = &istio
			}
			l, err := lab.Up(cmd.Context(), o)
			if err != nil {
				return err
			}
			for _, c := range l.Clusters {
				fmt.Fprintln(s.out, c.Kubeconfig)
			}
			return nil
		},
	}
	addName(cmd, &o.Name)
	addSource(cmd, &o.Source)
	flags := cmd.Flags()
	flags.IntVar(&o.Clusters, "clusters", 0, "number of clusters, 1 to 9 (default: as many as there are, or 1)")
	flags.BoolVar(&withIstio, "istio", false, "install Istio in every cluster")
	flags.StringVar(&istio.Revision, "revision", lab.DefaultRevision, "revision of istiod")
	flags.StringVar(&roots, "roots", roots, "CAs of the clusters: shared (one root), separate (a root each), none (istiod signs itself)")
	flags.BoolVar(&o.Flat, "flat", false, "route the pod networks between the clusters")
	flags.BoolVar(&o.SameCIDRs, "same-cidrs", false, "give all clusters the same pod and service networks")
	cmd.MarkFlagsMutuallyExclusive("flat", "same-cidrs")
	return cmd
}

func newDown(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Remove a lab with everything that belongs to it",
		Long: `Remove all processes, mounts, networks, cgroups and files of a lab, also after a
crash. The cache of built components stays.`,
		Example: "  lab down\n  lab down --name e2e",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return lab.Down(cmd.Context(), name, s.err) },
	}
	addName(cmd, &name)
	return cmd
}
