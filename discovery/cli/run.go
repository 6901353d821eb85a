package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/eastwest-mesh/eastwest/discovery"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// runFlags say where the agent finds what it needs.
type runFlags struct {
	config, kubeconfig, ca, level string
}

func newRun(stderr io.Writer) *cobra.Command {
	flags := &runFlags{}
	cmd := &cobra.Command{
		Use: "run", Short: "Run the agent until it is stopped", Args: noArguments,
		Example: `  # In a pod
  eastwest-agent run --config /etc/eastwest/agent.yaml

  # Outside a cluster
  eastwest-agent run --config agent.yaml --kubeconfig own.yaml --ca-folder ca`,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd.Context(), stderr) },
	}
	cmd.Flags().StringVar(&flags.config, "config", "/etc/eastwest/agent.yaml", "the agent's configuration")
	cmd.Flags().StringVar(&flags.kubeconfig, "kubeconfig", "", "kubeconfig of the own cluster (default: the pod's own account)")
	cmd.Flags().StringVar(&flags.ca, "ca-folder", "/etc/eastwest-ca", "folder with the cluster's intermediate CA")
	cmd.Flags().StringVar(&flags.level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func (f *runFlags) run(ctx context.Context, stderr io.Writer) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return problem.New(problem.Input, "", "--log-level %q", f.level).WithFix("use debug, info, warn or error")
	}
	log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	klog.SetLogger(logr.FromSlogHandler(log.Handler()))
	loaded, err := settings.Load(f.config)
	if err := errors.Join(err, discovery.Check(loaded)); err != nil {
		return err
	}
	config, err := f.ownCluster()
	if err != nil {
		return problem.New(problem.Input, "KubeconfigInvalid", "no access to the own cluster").Because(err)
	}
	agent, err := discovery.New(ctx, discovery.Options{
		Settings: loaded, Config: config, CAFolder: f.ca, Log: log,
		Namespace: valueOr(os.Getenv("POD_NAMESPACE"), "eastwest-system"),
		Pod:       valueOr(os.Getenv("POD_NAME"), "eastwest-agent"),
	})
	if err != nil {
		return err
	}
	return agent.Run(ctx)
}

func (f *runFlags) ownCluster() (*rest.Config, error) {
	if f.kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", f.kubeconfig)
}

func valueOr(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
