// Package host changes the Linux host for the lab: bridge, links, network
// namespaces, cgroups and mounts. It knows the plan of a cluster but nothing
// of Kubernetes. Everything it makes can be made twice and removed twice.
package host

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// CommandError is a host command that failed, with what it said.
type CommandError struct {
	Command string
	Output  string
	Err     error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.Command, strings.TrimSpace(e.Output), e.Err)
}

// Unwrap gives the cause.
func (e *CommandError) Unwrap() error { return e.Err }

// run runs a host command and returns what it printed.
func run(ctx context.Context, name string, args ...string) (string, error) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), &CommandError{Command: strings.Join(append([]string{name}, args...), " "), Output: errOut.String(), Err: err}
	}
	return out.String(), nil
}

// steps runs commands in order and stops at the first that fails.
func steps(ctx context.Context, commands ...[]string) error {
	for _, c := range commands {
		if _, err := run(ctx, c[0], c[1:]...); err != nil {
			return err
		}
	}
	return nil
}
