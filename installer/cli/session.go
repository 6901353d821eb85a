package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// runFlags say how a command that writes behaves.
type runFlags struct {
	dryRun bool
	yes    bool
	wait   bool
}

func (r *runFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&r.dryRun, "dry-run", false, "show what would be done and write nothing")
	flags.BoolVarP(&r.yes, "yes", "y", false, "answer ordinary questions with yes; never a refusal for safety")
	flags.BoolVar(&r.wait, "wait", true, "wait for rollouts and addresses")
}

// session is one connected run of a command.
type session struct {
	env    *Env
	global *globalFlags
	in     *installer.Installer
	finish func()
}

// onClusters is in what the commands that work on clusters differ.
type onClusters struct {
	env      *Env
	global   *globalFlags
	clusters *clusterFlags
	// forms are the forms of output besides the common ones; nil for none.
	forms func() []string
	// kubeconfigs are those among the arguments; nil where there are none.
	kubeconfigs func(args []string) []string
	// options of the run; nil for the zero value.
	options func() installer.Options
	// adjust puts further flags into the mesh; nil for none.
	adjust func(*config.Mesh) error
	// check looks at the mesh before any contact; nil for nothing.
	check func(config.Mesh) error
	// do is the command itself. It ends the progress.
	do func(context.Context, *session) error
}

// run checks everything that needs no cluster, connects, and hands over.
func (o onClusters) run(cmd *cobra.Command, args []string) error {
	var forms, paths []string
	if o.forms != nil {
		forms = o.forms()
	}
	if err := checkOutput(o.global, forms...); err != nil {
		return err
	}
	ctx, cancel, err := o.global.bound(cmd.Context())
	if err != nil {
		return err
	}
	defer cancel()
	if o.kubeconfigs != nil {
		paths = o.kubeconfigs(args)
	}
	s, err := o.connect(ctx, paths)
	if err != nil {
		return err
	}
	return o.do(ctx, s)
}

// connect resolves the clusters and connects to them.
func (o onClusters) connect(ctx context.Context, paths []string) (*session, error) {
	mesh, resolved, err := o.clusters.resolve(o.env, paths, o.adjust)
	if err != nil {
		return nil, err
	}
	if o.check != nil {
		if err := o.check(mesh); err != nil {
			return nil, err
		}
	}
	options := installer.Options{}
	if o.options != nil {
		options = o.options()
	}
	observe, finish := observer(o.env, o.global)
	options.Observe = observe
	in, err := installer.Connect(ctx, mesh, resolved, options)
	if err != nil {
		finish()
		return nil, err
	}
	return &session{env: o.env, global: o.global, in: in, finish: finish}, nil
}

// report ends the progress, prints what was done, and joins what went wrong.
func (s *session) report(diffs bool, errs ...error) error {
	s.finish()
	printErr := printReport(s.env, s.global, s.in.Report(), diffs)
	return errors.Join(append(errs, s.in.Err(), printErr)...)
}

// asker asks on the terminal; nil where nobody can be asked.
func asker(env *Env) func(string) bool {
	if !env.Interactive {
		return nil
	}
	return func(question string) bool {
		fmt.Fprintf(env.Stderr, "%s [y/N] ", question)
		answer, _ := bufio.NewReader(env.Stdin).ReadString('\n')
		answer = strings.ToLower(strings.TrimSpace(answer))
		return answer == "y" || answer == "yes"
	}
}

// confirm asks before something is removed. A dry run needs no answer.
func (r *runFlags) confirm(env *Env, question string) error {
	if r.dryRun || r.yes {
		return nil
	}
	ask := asker(env)
	if ask == nil {
		return problem.New(problem.Input, "NeedsConfirmation", "%s", question).WithFix("say --yes")
	}
	if !ask(question) {
		return problem.New(problem.Deadline, "", "stopped: not confirmed")
	}
	return nil
}
