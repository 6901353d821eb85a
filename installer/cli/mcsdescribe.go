package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer"
)

func newMCSDescribe(env *Env, global *globalFlags) *cobra.Command {
	clusters := &clusterFlags{}
	cmd := &cobra.Command{
		Use:   "describe",
		Short: "Show how each member stands in multi-cluster Services",
		Long: `Shows the state of multi-cluster Services in the mesh and in each member. As YAML and
JSON it has the shape, the codes and the words that GKE has for the feature of a
fleet, where the mesh stands for the project; docs/multi-cluster-services.md says what
they mean off Google Cloud. A state that is not OK is an answer, and no failure of
this command. Nothing is written.`,
		Example: `  eastwest mcs describe -f mesh.yaml
  eastwest mcs describe --context east --context west -o yaml`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: clusters,
		do: func(ctx context.Context, s *session) error {
			state := s.in.DescribeMCS(ctx)
			s.finish()
			printErr := printAs(env.Stdout, global.output, state, func(out io.Writer) error { return printFeature(out, state) })
			return errors.Join(s.in.Err(), printErr)
		},
	}.run
	clusters.add(cmd.Flags())
	return cmd
}

// printFeature shows a state for people: what is wrong and what mends it below the
// table, as it may be long.
func printFeature(out io.Writer, state *installer.FeatureState) error {
	fmt.Fprintf(out, "multi-cluster Services: %s\n\n", state.ResourceState.State)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MEMBER\tLOCATION\tCODE\tSINCE")
	keys := slices.SortedFunc(maps.Keys(state.MembershipStates), func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	for _, key := range keys {
		one, since := state.MembershipStates[key], ""
		if at := one.State.UpdateTime; at != nil {
			since = at.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", path.Base(key), locationOf(key), one.State.Code, dash(since))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, key := range keys {
		one := state.MembershipStates[key]
		text, fix, _ := strings.Cut(one.State.Description, v1alpha1.DescriptionFix)
		fmt.Fprintf(out, "%s: %s\n", path.Base(key), text)
		if fix != "" {
			fmt.Fprintf(out, "  fix: %s\n", fix)
		}
		for _, warning := range one.Warnings {
			fmt.Fprintf(out, "  warning: %s\n", warning)
		}
	}
	return nil
}

// locationOf is LOCATION of projects/MESH/locations/LOCATION/memberships/MEMBER.
func locationOf(key string) string {
	return path.Base(path.Dir(path.Dir(key)))
}
