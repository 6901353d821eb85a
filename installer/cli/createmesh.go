package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// peerFlags say how members read each other's API servers.
type peerFlags struct {
	topology      string
	servers       []string
	tokenTTL      time.Duration
	noSecretRead  bool
	allowLoopback bool
	acceptMerge   bool
	clusterLocal  []string
	forceNetwork  bool
	images        imageFlags
}

func (p *peerFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&p.topology, "topology", "", "which pairs are linked: full, hub:NAME or pairs:A>B,C>D (default full)")
	flags.StringArrayVar(&p.servers, "server", nil, "API server address that peers use, NAME=https://HOST:PORT (default: found and proved from inside the peers)")
	flags.DurationVar(&p.tokenTTL, "token-ttl", 0, "bound the tokens in remote secrets (default: tokens that end with their account)")
	flags.BoolVar(&p.noSecretRead, "no-secret-read", false, "refuse credentials that can read a member's Secrets")
	flags.BoolVar(&p.allowLoopback, "allow-loopback-server", false, "accept loopback API addresses in remote secrets")
	flags.BoolVar(&p.acceptMerge, "accept-merge", false, "consent to services that exist in several members sharing traffic")
	flags.StringArrayVar(&p.clusterLocal, "cluster-local", nil, "NAMESPACE/SERVICE that stays local; its meshConfig must say so")
	flags.BoolVar(&p.forceNetwork, "force-same-network", false, "accept equal network names without proof that pods reach each other")
}

func (p *peerFlags) apply(mesh *config.Mesh) error {
	peers := &mesh.Spec.Peers
	if p.topology != "" {
		mesh.Spec.Topology = p.topology
	}
	if p.tokenTTL < 0 || p.tokenTTL > 0 && p.tokenTTL < 10*time.Minute {
		return problem.New(problem.Input, "InvalidTTL", "--token-ttl %v", p.tokenTTL).
			WithFix("use at least 10m, the least an API server grants")
	}
	if p.tokenTTL > 0 {
		peers.TokenTTL = &metav1.Duration{Duration: p.tokenTTL}
	}
	peers.NoSecretRead = peers.NoSecretRead || p.noSecretRead
	peers.AllowLoopbackServer = peers.AllowLoopbackServer || p.allowLoopback
	peers.AcceptMerge = peers.AcceptMerge || p.acceptMerge
	peers.ClusterLocal = append(peers.ClusterLocal, p.clusterLocal...)
	p.images.apply(mesh)
	return perCluster(mesh, "server", p.servers, func(c *v1alpha1.Cluster, v string) { c.Server = v })
}

func newCreateMesh(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{clusters: clusterFlags{least: 2}}
	peers := &peerFlags{}
	cmd := &cobra.Command{
		Use:     "create-mesh [FLEET_PROJECT_ID] [KUBECONFIG...]",
		GroupID: "guide",
		Short:   "Give every cluster's istiod a credential for every other",
		Long: `Joins the named clusters: for each ordered pair an account with the least role
on the one side, and a remote secret in the form that istiod, istioctl and
asmcli know on the other. A first word that is no file is the fleet project of
the installation guide; it is not needed, and Google is never called.

A default istiod lists all Secrets of a remote cluster and never syncs without
that right, so it is granted, and the answer says so.`,
		Example: `  eastwest create-mesh my-project east.yaml west.yaml
  eastwest create-mesh --kubeconfig east=all.yaml#east --kubeconfig west=all.yaml#west --accept-merge
  eastwest create-mesh -f mesh.yaml --topology hub:east --token-ttl 720h`,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters, adjust: peers.apply,
		kubeconfigs: func(args []string) []string { return dropProject(env, args) },
		options: func() installer.Options {
			options := flags.options(env)
			options.ForceSameNetwork = peers.forceNetwork
			return options
		},
		do: func(ctx context.Context, s *session) error {
			return s.report(flags.run.dryRun, s.in.Join(ctx))
		},
	}.run
	flags.add(cmd, false)
	peers.add(cmd.Flags())
	peers.images.addProbe(cmd.Flags())
	cmd.Flags().BoolVar(&flags.gateway.adopt, "adopt", false, "replace remote secrets that kubectl, istioctl or asmcli made")
	return cmd
}

// dropProject removes a leading fleet project: a first word that is no existing
// file and looks like none.
func dropProject(env *Env, args []string) []string {
	if len(args) == 0 {
		return args
	}
	if _, err := os.Stat(args[0]); err == nil || looksLikePath(args[0]) {
		return args
	}
	fmt.Fprintf(env.Stderr, "note: %s is taken as the fleet project, which eastwest does not need\n", args[0])
	return args[1:]
}

// looksLikePath reports whether an argument can only be meant as a kubeconfig.
func looksLikePath(text string) bool {
	for _, r := range text {
		if r == '/' || r == '=' || r == '#' || r == '.' {
			return true
		}
	}
	return false
}
