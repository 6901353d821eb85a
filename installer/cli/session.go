package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

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
	mesh   config.Mesh
	in     *installer.Installer
	finish func()
}

// connect resolves the clusters and connects to them.
func connect(ctx context.Context, env *Env, global *globalFlags, clusters *clusterFlags, positional []string, options installer.Options, adjust func(*config.Mesh) error, check func(config.Mesh) error) (*session, error) {
	mesh, resolved, err := clusters.resolve(env, positional, adjust)
	if err != nil {
		return nil, err
	}
	if check != nil {
		if err := check(mesh); err != nil {
			return nil, err
		}
	}
	observe, finish := observer(env, global)
	options.Observe = observe
	in, err := installer.Connect(ctx, mesh, resolved, options)
	if err != nil {
		finish()
		return nil, err
	}
	return &session{env: env, global: global, mesh: mesh, in: in, finish: finish}, nil
}

// report ends the progress, prints what was done, and joins what went wrong.
func (s *session) report(diffs bool, errs ...error) error {
	s.finish()
	printErr := printReport(s.env, s.global, s.in.Report(), diffs)
	return errors.Join(append(errs, s.in.Err(), printErr)...)
}

// confirmer asks on the terminal, or answers by --yes; nil where nobody can be asked.
func confirmer(env *Env, yes bool) func(string) bool {
	if yes {
		return func(string) bool { return true }
	}
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

// needConfirmation asks before something is removed.
func needConfirmation(env *Env, yes bool, question string) error {
	confirm := confirmer(env, yes)
	if confirm == nil {
		return problem.New(problem.Input, "NeedsConfirmation", "%s", question).WithFix("say --yes")
	}
	if !confirm(question) {
		return problem.New(problem.Deadline, "", "stopped: not confirmed")
	}
	return nil
}
