package cli

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// TestReference keeps docs/reference/eastwest.md equal to the command tree.
func TestReference(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Commands of eastwest\n\nMade from the code: `go test ./installer/cli -update`.\n")
	describe(&page, testRoot())
	golden.Check(t, "../../docs/reference/eastwest.md", []byte(page.String()))
}

// TestEveryCommandHasExamples holds every command that can be run to a help
// text with an example.
func TestEveryCommandHasExamples(t *testing.T) {
	walk(testRoot(), func(cmd *cobra.Command) {
		if cmd.Runnable() && cmd.Example == "" && !isGenerated(cmd) {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		if cmd.Short == "" {
			t.Errorf("%s has no short text", cmd.CommandPath())
		}
	})
}

func testRoot() *cobra.Command {
	env := &Env{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }}
	return newRoot(env, &globalFlags{})
}

func isGenerated(cmd *cobra.Command) bool {
	return cmd.Name() == "help" || cmd.Name() == "completion" || cmd.HasParent() && cmd.Parent().Name() == "completion"
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		walk(child, visit)
	}
}

func describe(page *strings.Builder, root *cobra.Command) {
	walk(root, func(cmd *cobra.Command) {
		if isGenerated(cmd) {
			return
		}
		text := cmd.Long
		if text == "" {
			text = cmd.Short
		}
		fmt.Fprintf(page, "\n## %s\n\n%s\n", cmd.CommandPath(), text)
		if cmd.Runnable() {
			fmt.Fprintf(page, "\n```\n%s\n```\n", cmd.UseLine())
		}
		if cmd.Example != "" {
			fmt.Fprintf(page, "\n```sh\n%s\n```\n", cmd.Example)
		}
		flags := cmd.LocalFlags()
		if !flags.HasAvailableFlags() {
			return
		}
		page.WriteString("\n| flag | meaning |\n|---|---|\n")
		flags.VisitAll(func(flag *pflag.Flag) {
			if flag.Name == "help" || flag.Hidden {
				return
			}
			name := "--" + flag.Name
			if flag.Shorthand != "" {
				name = "-" + flag.Shorthand + ", " + name
			}
			fmt.Fprintf(page, "| `%s` | %s |\n", name, strings.ReplaceAll(flag.Usage, "|", `\|`))
		})
	})
}
