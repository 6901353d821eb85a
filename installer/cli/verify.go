package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/verify/report"
)

// verifyForms are the forms of a verification report besides the common ones.
var verifyForms = []string{"junit", "html", "md"}

type verifyFlags struct {
	namespace  string
	requests   int
	confidence float64
	keep       bool
	converge   time.Duration
}

func (v *verifyFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&v.namespace, "namespace", "", "namespace of the test workloads (default: a new one, removed after)")
	flags.IntVar(&v.requests, "requests", 0, "requests per link, one connection each (default 20)")
	flags.Float64Var(&v.confidence, "confidence", 0, "confidence of the verdict on traffic shares (default 0.999)")
	flags.BoolVar(&v.keep, "keep", false, "leave the test workloads for a look around")
	flags.DurationVar(&v.converge, "converge", 0, "how long links may take to come up (default 30s)")
}

func newVerify(env *Env, global *globalFlags) *cobra.Command {
	flags := &verifyFlags{}
	clusters := &clusterFlags{}
	peers := &peerFlags{}
	cmd := &cobra.Command{
		Use: "verify", GroupID: "mesh",
		Short: "Prove with real traffic that every cluster reaches every other",
		Long: `Runs a client in every cluster and calls, from each, a service that lives in one
other cluster only, and the guide's helloworld that lives in all. Without a mesh
the services are exported, and called by the names of their derived Services. An
empty cell is walked hop by hop, and the first broken one is named with its fix.
Everything it makes is removed again.`,
		Example: `  eastwest verify --kubeconfig east.yaml --kubeconfig west.yaml
  eastwest verify -f mesh.yaml -o junit > verify.xml
  eastwest verify -f mesh.yaml --namespace sample --keep`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: clusters, adjust: peers.apply,
		forms: func() []string { return verifyForms },
		do: func(ctx context.Context, s *session) error {
			if err := s.in.CheckVerify(ctx); err != nil {
				s.finish()
				return errors.Join(err, s.in.Err())
			}
			return errors.Join(runVerify(ctx, s, flags), s.in.Err())
		},
	}.run
	clusters.add(cmd.Flags())
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&peers.topology, "topology", "", "which pairs must work: full, hub:NAME or pairs:A>B,C>D (default full)")
	peers.images.addAll(cmd.Flags())
	return cmd
}

// runVerify runs the proof on a session's clusters and prints its report.
func runVerify(ctx context.Context, s *session, flags *verifyFlags) error {
	result, err := s.verify(ctx, flags)
	s.finish()
	if result == nil {
		return err
	}
	return errors.Join(err, printVerification(s.env.Stdout, s.global.output, result))
}

// verify runs the proof. The error holds its verdict; the report may be there
// all the same.
func (s *session) verify(ctx context.Context, flags *verifyFlags) (*report.Report, error) {
	result, err := s.in.Verify(ctx, installer.VerifyOptions{
		Namespace: flags.namespace, Requests: flags.requests, Confidence: flags.confidence,
		Keep: flags.keep, Converge: flags.converge,
	})
	if result == nil {
		return nil, err
	}
	return result, errors.Join(err, result.Err())
}

func printVerification(out io.Writer, form string, result *report.Report) error {
	return printAs(out, "text", nil, func(out io.Writer) error { return result.Write(out, form) })
}
