package progress

import (
	"bytes"
	"regexp"
	"testing"
)

func TestPlainLinesOffATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := New(&out)
	task := b.Task("c1")
	task.Step("step %d", 1)
	b.Note("note")
	task.Done("ready")
	want := regexp.MustCompile(`^c1 +\d+\.\ds   step 1\nnote\nc1 +\d+\.\ds \. ready\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("printed %q, want %s", out.String(), want)
	}
}

func TestNoBoardIsSilent(t *testing.T) {
	t.Parallel()
	b := New(nil)
	b.Note("note")
	task := b.Task("c1")
	task.Step("step")
	task.Done("ready")
}

func TestATerminalIsRepainted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := &Board{out: &out, width: 30}
	one, two := b.Task("one"), b.Task("two")
	one.Step("a")
	two.Step("b\nthat would wrap around the end of a line")
	one.Done("c")
	want := regexp.MustCompile(`(?s)\x1b\[2A\x1b\[Jone [^\n]{0,25}\. c\ntwo [^\n]{25}\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("printed %q, want %s", out.String(), want)
	}
}
