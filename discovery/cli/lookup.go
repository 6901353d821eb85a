package cli

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/internal/dnslookup"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// newLookup is what a throwaway pod runs to see whether pods of its cluster get answers
// for clusterset.local.
func newLookup() *cobra.Command {
	var agent string
	var life time.Duration
	cmd := &cobra.Command{
		Use: "lookup", Short: "Look up the zone of multi-cluster services as any pod does", Args: noArguments,
		Long: `Asks the name servers of this pod for the text at ` + dnslookup.Name + ` until they
answer, and at last the agent itself. It prints what came of both, as JSON.`,
		Example: "  eastwest-agent lookup --agent 10.96.0.53:53 --for 30s",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if agent == "" || life < 0 || life > time.Hour {
				return problem.New(problem.Input, "", "--agent %q --for %v", agent, life).
					WithFix("name the agent's address, HOST:PORT, and 0 to 1h, for example --agent 10.96.0.53:53 --for 30s")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), life)
			defer cancel()
			out, err := dnslookup.Look(ctx, "/etc/resolv.conf", agent)
			if err != nil {
				return problem.New(problem.Cluster, "", "nobody can be asked").Because(err)
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(out)
		},
	}
	cmd.Flags().StringVar(&agent, "agent", "", "address of the agent's own server, HOST:PORT")
	cmd.Flags().DurationVar(&life, "for", 0, "how long to go on asking; 0 asks once")
	return cmd
}
