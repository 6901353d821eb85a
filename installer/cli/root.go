package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Run runs the command line and returns its exit code. It is the one place
// where an error is printed.
func Run(ctx context.Context, env *Env, args []string) int {
	global := &globalFlags{}
	whole := *env
	env = &whole
	env.Stdout = readerGone{env.Stdout}
	root := newRoot(env, global)
	root.SetArgs(args)
	err := checkArguments(args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return problem.ExitOK
	}
	if errors.Is(err, errChanges) {
		return exitChanges
	}
	stopped := global.stopped
	if ctx.Err() != nil {
		stopped = context.Cause(ctx)
	}
	if stopped != nil && !isInput(err) {
		err = errors.Join(err, problem.New(problem.Deadline, "", "stopped: %v", stopped))
	}
	printProblems(env.Stderr, err)
	return problem.ExitCode(err)
}

// exitChanges is the exit code of `plan --exit-code` where there is something to do.
const exitChanges = 10

func isInput(err error) bool { return problem.ExitCode(err) == problem.ExitInput }

func checkArguments(args []string) error {
	for _, arg := range args {
		if err := kubeconfig.CheckArgument(arg); err != nil {
			return err
		}
	}
	return nil
}

// globalFlags are the flags of every command.
type globalFlags struct {
	output  string
	quiet   bool
	timeout time.Duration
	// stopped is why the command was ended before its time, if it was.
	stopped error
}

const maxTimeout = 24 * time.Hour

// bound applies --timeout to a command's context. The returned function ends
// the bound, and remembers whether it was hit.
func (g *globalFlags) bound(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if g.timeout <= 0 || g.timeout > maxTimeout {
		return nil, nil, problem.New(problem.Input, "InvalidTimeout", "--timeout %v", g.timeout).
			WithFix("use more than 0 and at most 24h, for example --timeout 10m")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, g.timeout, fmt.Errorf("--timeout %v has passed", g.timeout))
	return ctx, func() {
		g.stopped = context.Cause(ctx)
		cancel()
	}, nil
}

func newRoot(env *Env, global *globalFlags) *cobra.Command {
	root := &cobra.Command{
		Use:   "eastwest",
		Short: "Join Kubernetes clusters into one mesh, and prove that every link works",
		Long: `eastwest joins Kubernetes clusters on any platform into one multi-network
mesh, with Istio or with nothing but Envoy gateways: a gateway per cluster, one
root of trust, credentials for every pair, and real traffic that proves each link
or names the first broken hop with its fix.`,
		Example: `  # Two clusters become one mesh
  eastwest up --kubeconfig east=east.yaml --kubeconfig west=west.yaml --source-ranges 203.0.113.0/24

  # What would it do?
  eastwest plan -f mesh.yaml

  # Does every cluster reach every other?
  eastwest verify -f mesh.yaml`,
		SilenceErrors: true, SilenceUsage: true,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	flags := root.PersistentFlags()
	flags.StringVarP(&global.output, "output", "o", "text", "form of the answer: text, json or yaml (verify: also junit, html, md; mcs conformance: html)")
	flags.BoolVarP(&global.quiet, "quiet", "q", false, "no progress on stderr")
	flags.DurationVar(&global.timeout, "timeout", 15*time.Minute, "bound on the whole command")
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddGroup(
		&cobra.Group{ID: "mesh", Title: "The whole mesh:"},
		&cobra.Group{ID: "step", Title: "Single steps:"},
		&cobra.Group{ID: "guide", Title: "Drop-in forms of the installation guide:"})
	root.AddCommand(
		newUp(env, global), newPlan(env, global), newVerify(env, global), newStatus(env, global),
		newDoctor(env, global), newMCS(env, global), newLeave(env, global), newDown(env, global),
		newRender(env, global), newGateway(env, global), newExpose(env, global), newTrust(env, global),
		newCreateMesh(env, global), newGenGateway(env), newVersion(env, global), newExitCodes())
	return root
}

// noArguments rejects positional arguments as bad input.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	refusal := problem.New(problem.Input, "UnknownArgument", "%s takes no argument %q", cmd.CommandPath(), args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return refusal.WithFix("did you mean: %s %s", cmd.CommandPath(), strings.Join(near, ", "))
	}
	return refusal.WithFix("see %s --help", cmd.CommandPath())
}

// flagError turns a parsing error into bad input and suggests the nearest flag.
func flagError(cmd *cobra.Command, err error) error {
	refusal := problem.New(problem.Input, "InvalidFlag", "%v", err)
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if near := nearestFlag(cmd, unknown.GetSpecifiedName()); near != "" {
			return refusal.WithFix("did you mean --%s?", near)
		}
	}
	return refusal.WithFix("see %s --help", cmd.CommandPath())
}

// nearestFlag is the flag of a command whose name is closest to what was typed.
func nearestFlag(cmd *cobra.Command, typed string) string {
	best, distance := "", len(typed)/2+1
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if d := editDistance(typed, flag.Name); d < distance || strings.HasPrefix(flag.Name, typed) && best == "" {
			best, distance = flag.Name, d
		}
	})
	return best
}

// editDistance is the Levenshtein distance of two words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// printProblems prints each problem once, with its fix.
func printProblems(out io.Writer, err error) {
	seen := map[string]bool{}
	for _, one := range problem.All(err) {
		text := one.Error()
		if seen[text] {
			continue
		}
		seen[text] = true
		fmt.Fprintf(out, "error: %s\n", text)
		if one.Fix != "" {
			fmt.Fprintf(out, "  fix: %s\n", one.Fix)
		}
	}
}
