package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/conformance"
	"github.com/eastwest-mesh/eastwest/internal/buildinfo"
)

// conformanceForms are the forms of its report besides the common ones.
var conformanceForms = []string{"html"}

type conformanceFlags struct {
	numbers        []int
	group          string
	labels         []string
	parallel       int
	domain         string
	implementation conformance.Implementation
}

func (c *conformanceFlags) add(flags *pflag.FlagSet) {
	flags.IntSliceVar(&c.numbers, "case", nil, "numbers of the cases to run, 3,17 (default: all)")
	flags.StringVar(&c.group, "group", "", "only this group: required, optional or beyond")
	flags.StringSliceVar(&c.labels, "label", nil, "only cases that have one of these labels, such as dns or headless")
	flags.IntVar(&c.parallel, "parallel", 0, "how many cases run at once (default 6)")
	flags.StringVar(&c.domain, "dns-domain", "", "zone of the set's names (default clusterset.local)")
	flags.StringVar(&c.implementation.Organization, "organization", "eastwest-mesh", "who makes the implementation, for the report")
	flags.StringVar(&c.implementation.Project, "project", "eastwest", "name of the implementation")
	flags.StringVar(&c.implementation.Version, "project-version", buildinfo.Read().Version, "version of the implementation")
	flags.StringVar(&c.implementation.URL, "url", "https://github.com/eastwest-mesh/eastwest", "address of the implementation")
	flags.Lookup("project-version").DefValue = "that of this command"
}

func (c *conformanceFlags) options() conformance.Options {
	selection := conformance.Selection{Numbers: c.numbers, Labels: c.labels}
	for _, group := range conformance.Groups() {
		if strings.EqualFold(string(group), c.group) {
			selection.Group = group
		}
	}
	if selection.Group == "" {
		selection.Group = conformance.Group(c.group)
	}
	return conformance.Options{
		Selection: selection, Parallel: c.parallel, DNSDomain: c.domain, Implementation: c.implementation,
	}
}

func newConformance(env *Env, global *globalFlags) *cobra.Command {
	flags := &conformanceFlags{}
	clusters := &clusterFlags{}
	images := &imageFlags{}
	cmd := &cobra.Command{
		Use:   "conformance",
		Short: "Look whether clusters have what the multi-cluster Services API promises",
		Long: `Runs the 27 cases of SIG Multicluster's conformance suite, restated, and two more, on
the named clusters, whoever implements the API there. The first cluster exports, the
second is the other exporter; with one cluster the cases of two are skipped. Each
case has a namespace of its own, mcs-conformance-NUMBER, in all clusters; all of them
are removed again. A case that is not conformant exits with 5, one that could not be
told with 3.`,
		Example: `  eastwest mcs conformance --kubeconfig east.yaml --kubeconfig west.yaml
  eastwest mcs conformance -f mesh.yaml -o html > conformance.html
  eastwest mcs conformance -f mesh.yaml --group required
  eastwest mcs conformance -f mesh.yaml --label dns,connectivity --case 18,24`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: clusters,
		forms:  func() []string { return conformanceForms },
		adjust: func(mesh *config.Mesh) error { images.apply(mesh); return nil },
		check:  func(config.Mesh) error { return flags.options().Check() },
		do: func(ctx context.Context, s *session) error {
			report, err := s.in.Conformance(ctx, flags.options())
			s.finish()
			if report == nil {
				return err
			}
			if err == nil {
				err = report.Err()
			}
			return errors.Join(err, s.in.Err(), report.Write(env.Stdout, global.output))
		},
	}.run
	clusters.add(cmd.Flags())
	flags.add(cmd.Flags())
	images.addConformance(cmd.Flags())
	return cmd
}
