package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// newDrain is what a gateway's pod runs before it stops: Envoy itself ends all
// connections as soon as it is told to stop.
func newDrain(stderr io.Writer) *cobra.Command {
	var admin string
	var life time.Duration
	cmd := &cobra.Command{
		Use: "drain", Short: "Drain the gateway's Envoy before its pod stops", Args: noArguments,
		Long: `Tells Envoy to fail health checks, so that peers and load balancers send new
connections elsewhere, and to close its listeners gracefully; then waits, so that
connections may end by themselves.`,
		Example: "  eastwest-agent drain --for 15s",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if life < 0 || life > time.Hour {
				return problem.New(problem.Input, "", "--for %v", life).WithFix("use 0 to 1h, for example --for 15s")
			}
			return drain(cmd.Context(), "http://"+admin, life, stderr)
		},
	}
	cmd.Flags().StringVar(&admin, "admin", "127.0.0.1:15000", "address of Envoy's admin port")
	cmd.Flags().DurationVar(&life, "for", 15*time.Second, "how long connections may end by themselves")
	return cmd
}

// drain fails health checks first: peers stop dialling at once, while the
// listeners still take what is under way.
func drain(ctx context.Context, admin string, life time.Duration, stderr io.Writer) error {
	for _, path := range []string{"/healthcheck/fail", "/drain_listeners?graceful"} {
		if err := post(ctx, admin+path); err != nil {
			return problem.New(problem.Cluster, "", "Envoy does not drain").Because(err).
				WithFix("is Envoy's admin port at %s?", admin)
		}
	}
	fmt.Fprintf(stderr, "draining for %v\n", life)
	timer := time.NewTimer(life)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

func post(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: %s", request.URL.Path, response.Status)
	}
	return nil
}
