package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/lab/internal/balancer"
)

// newBalancer is a component of each cluster; "lab up" starts it.
func newBalancer(s streams) *cobra.Command {
	o := balancer.Options{Log: slog.New(slog.NewTextHandler(s.err, nil))}
	cmd := &cobra.Command{
		Use:    "balancer",
		Short:  "Give Services of type LoadBalancer their addresses",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return balancer.Run(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig of the cluster")
	cmd.Flags().StringVar(&o.Range, "range", "", "block of addresses to give out")
	cmd.Flags().StringVar(&o.Device, "device", "eth0", "link that gets them")
	return cmd
}
