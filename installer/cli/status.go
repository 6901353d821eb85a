package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/preflight"
)

func newStatus(env *Env, global *globalFlags) *cobra.Command {
	clusters := &clusterFlags{}
	peers := &peerFlags{}
	cmd := &cobra.Command{
		Use: "status", GroupID: "mesh",
		Short: "Show members, links, and what each istiod says of its peers",
		Long: `Shows the members with their gateways, and for each link the remote secret, its
token with age and expiry, and the state every istiod replica reports. Without a
mesh it is the record of the producer, and what the consumer's agent reports.
Where a consumer has an agent, WAY is how far that gets to the producer's gateway,
with the time of a question and its answer, or the hop where the way is broken. MCS
is the code of multi-cluster Services, see eastwest mcs describe. DNS says whether the
cluster's own DNS asks the agent for clusterset.local. A link that is not in order
exits with 5. Nothing is written.`,
		Example: `  eastwest status -f mesh.yaml
  eastwest status --context east --context west -o json`,
		Args: noArguments,
	}
	cmd.RunE = onClusters{
		env: env, global: global, clusters: clusters, adjust: peers.apply,
		do: func(ctx context.Context, s *session) error {
			status, broken := s.in.Status(ctx)
			s.finish()
			if status == nil {
				return errors.Join(broken, s.in.Err())
			}
			printErr := printAs(env.Stdout, global.output, status, func(out io.Writer) error { return printStatus(out, status) })
			return errors.Join(broken, s.in.Err(), printErr)
		},
	}.run
	clusters.add(cmd.Flags())
	cmd.Flags().StringVar(&peers.topology, "topology", "", "which pairs should be linked: full, hub:NAME or pairs:A>B,C>D (default full)")
	return cmd
}

func printStatus(out io.Writer, status *installer.Status) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if status.Dataplane == config.DataplaneEnvoy {
		printPlainMembers(table, status)
	} else {
		printMembers(table, status)
	}
	fmt.Fprintln(table)
	fmt.Fprintln(table, "CONSUMER\tPRODUCER\tSTATE\tWAY\tTOKEN\tAGE\tEXPIRES\tOWNER\tREADS SECRETS\tAPI SERVER")
	for _, link := range status.Links {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", link.Consumer, link.Producer, link.State, way(link.Agent),
			dash(link.Token), dash(link.Age), dash(link.Expiry), dash(link.Owner), readsSecrets(link.ReadsSecrets), dash(link.Server))
	}
	return table.Flush()
}

// way is how far the consumer's agent gets to the producer, in a few words.
func way(agent *installer.AgentStatus) string {
	switch {
	case agent == nil:
		return "no agent"
	case agent.Reached == "True" && agent.RTTMilliseconds > 0:
		return fmt.Sprintf("%s %.1fms", agent.Hop, agent.RTTMilliseconds)
	case agent.Reached == "True":
		return agent.Hop + " only"
	case agent.Reached == "False":
		return "broken at " + agent.Hop
	}
	return "unknown"
}

// printPlainMembers shows members without Istio.
func printPlainMembers(table io.Writer, status *installer.Status) {
	fmt.Fprintln(table, "CLUSTER\tNETWORK\tREGION\tAGENT\tMCS\tGATEWAY\tEXPOSED\tDNS")
	for _, one := range status.Members {
		if one.Error != "" && one.ClusterID == "" {
			fmt.Fprintf(table, "%s\t-\t-\t-\t-\tunreachable\t-\t-\n", one.Name)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", one.Name, one.Network, dash(one.Region), one.Agent, services(one),
			dash(strings.Join(one.Gateway, ",")), exposed(one), dash(one.DNS))
	}
}

// services is the code of a member's multi-cluster Services.
func services(one installer.MemberStatus) string {
	if one.MultiClusterServices == nil {
		return "-"
	}
	return one.MultiClusterServices.Code
}

func exposed(one installer.MemberStatus) string {
	if one.Exposed {
		return "yes"
	}
	return "no"
}

func printMembers(table io.Writer, status *installer.Status) {
	fmt.Fprintln(table, "CLUSTER\tID\tNETWORK\tREGION\tREVISION\tISTIO\tAGENT\tMCS\tGATEWAY\tEXPOSED\tDNS")
	for _, one := range status.Members {
		if one.Error != "" && one.ClusterID == "" {
			fmt.Fprintf(table, "%s\t-\t-\t-\t-\t-\t-\t-\tunreachable\t-\t-\n", one.Name)
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", one.Name, dash(one.ClusterID), dash(one.Network),
			dash(one.Region), dash(one.Revision), dash(one.Istio), dash(one.Agent), services(one), dash(strings.Join(one.Gateway, ",")), exposed(one), dash(one.DNS))
	}
}

func readsSecrets(reads bool) string {
	if reads {
		return "YES"
	}
	return "no"
}

func newDoctor(env *Env, global *globalFlags) *cobra.Command {
	clusters := &clusterFlags{}
	var list bool
	examine := onClusters{
		env: env, global: global, clusters: clusters,
		do: func(ctx context.Context, s *session) error {
			findings, refused := s.in.Doctor(ctx)
			s.finish()
			answer := map[string]any{"apiVersion": "eastwest.dev/v1alpha1", "kind": "Findings", "findings": findings}
			printErr := printAs(env.Stdout, global.output, answer, func(out io.Writer) error { return printFindings(out, findings) })
			return errors.Join(refused, s.in.Err(), printErr)
		},
	}
	cmd := &cobra.Command{
		Use: "doctor", GroupID: "mesh",
		Short: "Run every check on the named clusters and change nothing",
		Long: `Runs every preflight check and compares the roots of all clusters. Nothing is
written but throwaway probe pods where no read can answer. It never stops at the
first finding.`,
		Example: `  eastwest doctor -f mesh.yaml
  eastwest doctor --list`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !list {
				return examine.run(cmd, nil)
			}
			if err := checkOutput(global); err != nil {
				return err
			}
			return listChecks(env, global)
		},
	}
	clusters.add(cmd.Flags())
	cmd.Flags().BoolVar(&list, "list", false, "list the checks and exit")
	return cmd
}

func listChecks(env *Env, global *globalFlags) error {
	checks := preflight.Checks()
	return printAs(env.Stdout, global.output, checks, func(out io.Writer) error {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, check := range checks {
			fmt.Fprintf(table, "%s\t%s\n", check.ID, check.Claim)
		}
		return table.Flush()
	})
}

func printFindings(out io.Writer, findings []preflight.Finding) error {
	if len(findings) == 0 {
		_, err := fmt.Fprintln(out, "no findings")
		return err
	}
	for _, finding := range findings {
		fmt.Fprintf(out, "%-6s %s [%s] %s\n", finding.Severity, finding.Check, strings.Join(finding.Members, ", "), finding.Detail)
		if finding.Fix != "" {
			fmt.Fprintf(out, "       fix: %s\n", finding.Fix)
		}
	}
	return nil
}
