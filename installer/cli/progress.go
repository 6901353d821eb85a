package cli

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/installer"
)

// observer returns what shows progress: a line per cluster that is redrawn on a
// terminal, plain lines elsewhere, nothing with -q. finish leaves the terminal
// as it should be for what is printed next.
func observer(env *Env, global *globalFlags) (observe func(installer.Event), finish func()) {
	if global.quiet {
		return nil, func() {}
	}
	if !env.Live {
		return func(event installer.Event) { plainLine(env.Stderr, event) }, func() {}
	}
	live := &liveProgress{out: env.Stderr, color: env.Color, rows: map[string]installer.Event{}}
	return live.observe, live.finish
}

// plainLine prints an event as one line with the time of day.
func plainLine(out io.Writer, event installer.Event) {
	if event.State == installer.Running && event.Text == "" {
		return
	}
	fmt.Fprintf(out, "%s %-12s %-18s %s\n", time.Now().Format("15:04:05"), event.Cluster, event.Step, words(event))
}

func words(event installer.Event) string {
	if event.Text != "" {
		return strings.TrimSpace(prefix(event.State) + event.Text)
	}
	return string(event.State)
}

func prefix(state installer.State) string {
	if state == installer.Failed {
		return "failed: "
	}
	return ""
}

// liveProgress keeps one line per cluster at the bottom of the terminal.
// Installer calls observe from one goroutine at a time.
type liveProgress struct {
	out   io.Writer
	color bool
	rows  map[string]installer.Event
	drawn int
}

func (l *liveProgress) observe(event installer.Event) {
	l.clear()
	if event.State == installer.Note || event.State == installer.Failed {
		fmt.Fprintf(l.out, "%s %-12s %s\n", l.symbol(event.State), event.Cluster, words(event))
	}
	if event.State != installer.Note {
		l.rows[event.Cluster] = event
	}
	l.draw()
}

func (l *liveProgress) finish() { l.clear() }

// clear removes the rows that were drawn last.
func (l *liveProgress) clear() {
	for range l.drawn {
		fmt.Fprint(l.out, "\x1b[1A\x1b[2K")
	}
	l.drawn = 0
}

func (l *liveProgress) draw() {
	names := make([]string, 0, len(l.rows))
	for name := range l.rows {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		event := l.rows[name]
		fmt.Fprintf(l.out, "%s %-12s %s\n", l.symbol(event.State), name, event.Step)
	}
	l.drawn = len(names)
}

// symbol is a state as one character; colour only repeats what it says.
func (l *liveProgress) symbol(state installer.State) string {
	symbols := map[installer.State][2]string{
		installer.Running: {"~", "33"}, installer.Done: {"+", "32"},
		installer.Failed: {"x", "31"}, installer.Note: {"-", "36"},
	}
	symbol := symbols[state]
	if !l.color {
		return symbol[0]
	}
	return "\x1b[" + symbol[1] + "m" + symbol[0] + "\x1b[0m"
}
