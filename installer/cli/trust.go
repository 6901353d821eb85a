package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/trust"
	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

const defaultTrustDir = "eastwest-trust"

// trustFlags say how up brings the members to one root.
type trustFlags struct {
	init, replaceCA, restart bool
	dir                      string
}

func (t *trustFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&t.init, "init-trust", false, "where roots differ, make a shared root and give each cluster an intermediate")
	flags.StringVar(&t.dir, "trust-dir", defaultTrustDir, "directory of the CA material")
	t.addConsent(flags)
}

func (t *trustFlags) addConsent(flags *pflag.FlagSet) {
	flags.BoolVar(&t.replaceCA, "replace-ca", false, "consent to replacing a CA that is in use")
	flags.BoolVar(&t.restart, "restart-workloads", false, "consent to restarting what holds certificates of a replaced CA")
}

func (t *trustFlags) apply(mesh *config.Mesh) {
	wanted := &mesh.Spec.Trust
	wanted.Init = wanted.Init || t.init
	wanted.ReplaceCA = wanted.ReplaceCA || t.replaceCA
	wanted.RestartWorkloads = wanted.RestartWorkloads || t.restart
	if wanted.Dir == "" || t.dir != defaultTrustDir {
		wanted.Dir = t.dir
	}
}

func newTrust(env *Env, global *globalFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "trust", GroupID: "step",
		Short: "Make, apply and check the shared root of the mesh",
		Example: `  eastwest trust init --dir ca --mesh my-mesh east west
  eastwest trust apply -f mesh.yaml --dir ca --replace-ca --restart-workloads
  eastwest trust check -f mesh.yaml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTrustInit(env, global), newTrustApply(env, global), newTrustCheck(env, global))
	return cmd
}

func newTrustInit(env *Env, global *globalFlags) *cobra.Command {
	var dir, meshID, keyType, trustDomain string
	var validity time.Duration
	var force bool
	cmd := &cobra.Command{
		Use:   "init CLUSTER...",
		Short: "Make a root and one intermediate per cluster as files",
		Long: `Makes a root and one intermediate per named cluster, or only the intermediates
that are missing. Files are written with mode 0600 and never over others. No
cluster is contacted.`,
		Example: `  eastwest trust init --dir ca --mesh my-mesh east west
  eastwest trust init --dir ca --mesh my-mesh east west south   # adds south`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkOutput(global); err != nil {
				return err
			}
			if len(args) == 0 {
				return problem.New(problem.Input, "NoClusters", "no cluster is named").WithFix("name each member: eastwest trust init --dir %s CLUSTER...", dir)
			}
			for _, name := range args {
				if err := identity.CheckName(name); err != nil {
					return err
				}
			}
			made, err := trust.Init(dir, meshID, args, trust.Options{
				KeyType: trust.KeyType(keyType), TrustDomain: trustDomain, Validity: validity, Force: force,
			})
			if err != nil {
				return err
			}
			answer := map[string]any{"dir": dir, "newRoot": made.NewRoot, "newClusters": made.NewClusters}
			return printAs(env.Stdout, global.output, answer, func(out io.Writer) error {
				_, err := fmt.Fprintf(out, "root %s, intermediates made: %d, in %s\n", madeOrKept(made.NewRoot), len(made.NewClusters), dir)
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&dir, "dir", defaultTrustDir, "directory of the CA material")
	flags.StringVar(&meshID, "mesh", "", "mesh ID, for the subject of the root")
	flags.StringVar(&keyType, "key-type", string(trust.ECDSA), "kind of keys: "+string(trust.ECDSA)+" or "+string(trust.RSA))
	flags.StringVar(&trustDomain, "trust-domain", "", "SPIFFE trust domain to put into the certificates")
	flags.DurationVar(&validity, "validity", 0, "life of a new root (default 10 years)")
	flags.BoolVar(&force, "force", false, "make everything anew; what was there is kept beside")
	return cmd
}

func madeOrKept(isNew bool) string {
	if isNew {
		return "made"
	}
	return "kept"
}

func newTrustApply(env *Env, global *globalFlags) *cobra.Command {
	flags := &stepFlags{}
	wanted := &trustFlags{}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Give each cluster's istiod its intermediate (Secret cacerts)",
		Long: `Writes each cluster's intermediate as Secret cacerts. A CA that is in use is
replaced only with --replace-ca; what must restart then is listed, and restarted
with --restart-workloads.`,
		Example: `  eastwest trust apply -f mesh.yaml --dir ca --replace-ca --restart-workloads`,
		Args:    noArguments,
	}
	var material *trust.Material
	cmd.RunE = onClusters{
		env: env, global: global, clusters: &flags.clusters,
		options: func() installer.Options { return flags.options(env) },
		adjust:  func(mesh *config.Mesh) error { wanted.apply(mesh); return nil },
		check: func(config.Mesh) (err error) {
			material, err = trust.Load(wanted.dir)
			return err
		},
		do: func(ctx context.Context, s *session) error {
			if err := s.in.Preflight(ctx, "DuplicateCluster", "RevisionNotFound"); err != nil {
				return s.report(flags.run.dryRun, err)
			}
			return s.report(flags.run.dryRun, s.in.ApplyTrust(ctx, material))
		},
	}.run
	flags.add(cmd, false)
	cmd.Flags().StringVar(&wanted.dir, "dir", defaultTrustDir, "directory of the CA material")
	wanted.addConsent(cmd.Flags())
	return cmd
}

func newTrustCheck(env *Env, global *globalFlags) *cobra.Command {
	clusters := &clusterFlags{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare the roots of all clusters",
		Long: `Reads what each cluster's workloads trust and compares the whole sets, both ways.
Unequal roots exit with 4.`,
		Example: `  eastwest trust check --context east --context west
  eastwest trust check -f mesh.yaml -o json`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: clusters,
		do: func(_ context.Context, s *session) error {
			findings, refused := s.in.CheckTrust()
			s.finish()
			states := s.in.TrustStates()
			answer := map[string]any{"clusters": states, "findings": findings, "equal": refused == nil}
			printErr := printAs(env.Stdout, global.output, answer, func(out io.Writer) error { return printRoots(out, states) })
			return errors.Join(refused, s.in.Err(), printErr)
		},
	}.run
	clusters.add(cmd.Flags())
	return cmd
}

func printRoots(out io.Writer, states map[string]trust.State) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLUSTER\tCA\tROOT\tSUBJECT\tEXPIRES\tTRUST DOMAIN")
	rows := trust.Table(states)
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].Cluster < rows[j].Cluster })
	for _, row := range rows {
		root, subject, expires := "-", "-", "-"
		if row.Root != nil {
			root, subject, expires = row.Root.Fingerprint.Short(), row.Root.Subject, row.Root.NotAfter.Format(time.DateOnly)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Cluster, row.Kind, root, subject, expires, row.TrustDomain)
	}
	return table.Flush()
}
