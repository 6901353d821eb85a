// Package progress shows how far each of several parallel tasks is: one line
// per task, repainted in place on a terminal, appended elsewhere.
package progress

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Board shows tasks. A nil Board shows nothing.
type Board struct {
	out io.Writer
	// width is that of the terminal, 0 where there is none.
	width int

	mu sync.Mutex
	// tasks and painted (lines on the screen) are guarded by mu.
	tasks   []*Task
	painted int
}

// Task is one line of a board.
type Task struct {
	board *Board
	name  string
	start time.Time

	// step, took and over are guarded by the board's mu.
	step string
	took time.Duration
	over bool
}

// New makes a board on out; nil shows nothing.
func New(out io.Writer) *Board {
	if out == nil {
		return nil
	}
	return &Board{out: out, width: terminalWidth(out)}
}

// Task adds a line.
func (b *Board) Task(name string) *Task {
	return &Task{board: b, name: name, start: time.Now()}
}

// Note prints a line that belongs to no task.
func (b *Board) Note(format string, args ...any) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.eraseLocked()
	fmt.Fprintf(b.out, format+"\n", args...)
	b.paintLocked()
}

// Step says what the task does now.
func (t *Task) Step(format string, args ...any) { t.show(fmt.Sprintf(format, args...), false) }

// Done says how the task ended.
func (t *Task) Done(format string, args ...any) { t.show(fmt.Sprintf(format, args...), true) }

func (t *Task) show(step string, over bool) {
	b := t.board
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t.step, t.took, t.over = step, time.Since(t.start), over
	if b.width == 0 {
		fmt.Fprintln(b.out, t.line())
		return
	}
	b.eraseLocked()
	if !slices.Contains(b.tasks, t) {
		b.tasks = append(b.tasks, t)
	}
	b.paintLocked()
}

func (b *Board) eraseLocked() {
	if b.painted > 0 {
		fmt.Fprintf(b.out, "\x1b[%dA\x1b[J", b.painted)
		b.painted = 0
	}
}

func (b *Board) paintLocked() {
	for _, t := range b.tasks {
		// A line that wraps would not be erased whole.
		line := []rune(strings.ReplaceAll(t.line(), "\n", " "))
		fmt.Fprintln(b.out, string(line[:min(len(line), b.width-1)]))
		b.painted++
	}
}

func (t *Task) line() string {
	mark := " "
	if t.over {
		mark = "."
	}
	return fmt.Sprintf("%-14s %5.1fs %s %s", t.name, t.took.Seconds(), mark, t.step)
}

// terminalWidth is 0 for what is no terminal, or one that cannot repaint.
func terminalWidth(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	if size.Col < 20 {
		return 80
	}
	return int(size.Col)
}
