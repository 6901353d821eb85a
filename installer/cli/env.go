// Package cli is the command line: one file per command, each of which turns
// flags into options, makes one call of the facade, and prints. No command holds
// logic of its own, and nothing here talks to a cluster but through installer.
package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Env is everything a command touches outside its arguments.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Getenv reads an environment variable.
	Getenv func(string) string
	// Home is the home directory.
	Home string
	// Interactive is true where a person can be asked: stdin and stderr are terminals.
	Interactive bool
	// Live is true where stderr can be redrawn.
	Live bool
	// Color is true where stderr and stdout may be coloured.
	Color bool
}

// SystemEnv is the environment of the process.
func SystemEnv() *Env {
	home, _ := os.UserHomeDir()
	env := &Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Home: home}
	stderrTTY := term.IsTerminal(int(os.Stderr.Fd()))
	smart := stderrTTY && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == ""
	env.Interactive = term.IsTerminal(int(os.Stdin.Fd())) && stderrTTY
	env.Live = smart
	env.Color = smart && os.Getenv("NO_COLOR") == ""
	return env
}
