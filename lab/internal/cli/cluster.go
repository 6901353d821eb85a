package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/lab"
)

func newKubeconfig(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "kubeconfig CLUSTER",
		Short:   "Print the path of a cluster's kubeconfig",
		Example: "  kubectl --kubeconfig $(lab kubeconfig 1) get nodes",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := find(name, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(s.out, c.Kubeconfig)
			return nil
		},
	}
	addName(cmd, &name)
	return cmd
}

func newExec(s streams) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "exec CLUSTER -- COMMAND [ARGUMENT...]",
		Short: "Run a command in a cluster's network namespace",
		Long: `Run a command in the network namespace of a cluster's node, with kubectl and
istioctl of the lab in PATH and KUBECONFIG set. The exit code is the command's.`,
		Example: "  lab exec 1 -- kubectl get pods -A\n  lab exec 2 -- curl -k https://172.30.0.11:6443/version",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := find(name, args[0])
			if err != nil {
				return err
			}
			run := c.Command(cmd.Context(), args[1:]...)
			run.Stdin, run.Stdout, run.Stderr = s.in, s.out, s.err
			if err := run.Run(); err != nil {
				return fmt.Errorf("%w: %w", ErrPassed, err)
			}
			return nil
		},
	}
	addName(cmd, &name)
	return cmd
}

func newLoadImage(s streams) *cobra.Command {
	var name string
	var clusters []int
	cmd := &cobra.Command{
		Use:     "load-image ARCHIVE",
		Short:   "Load an image archive (docker or OCI) into clusters",
		Example: "  lab load-image agent.tar\n  lab load-image agent.tar --cluster 1 --cluster 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := lab.Open(name)
			if err != nil {
				return err
			}
			chosen := l.Clusters
			if len(clusters) > 0 {
				chosen = nil
			}
			for _, index := range clusters {
				c, err := l.Cluster(index)
				if err != nil {
					return err
				}
				chosen = append(chosen, c)
			}
			for _, c := range chosen {
				if err := c.LoadImage(cmd.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(s.err, "%s: loaded %s\n", c.Name, args[0])
			}
			return nil
		},
	}
	addName(cmd, &name)
	cmd.Flags().IntSliceVar(&clusters, "cluster", nil, "number of a cluster, repeatable (default: all)")
	return cmd
}

// find takes a cluster's number, or its name cN.
func find(name, cluster string) (*lab.Cluster, error) {
	index, err := strconv.Atoi(strings.TrimPrefix(cluster, "c"))
	if err != nil {
		return nil, fmt.Errorf("cluster %q: want its number", cluster)
	}
	l, err := lab.Open(name)
	if err != nil {
		return nil, err
	}
	return l.Cluster(index)
}
