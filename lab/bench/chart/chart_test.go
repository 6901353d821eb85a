package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "memory.svg")
	c := Chart{Title: "Memory", X: "endpoints", Y: "MB", Series: map[string][]Point{
		"agent": {{1, 2}, {2, 4}, {3, 6}}, "istiod": {{1, 20}, {2, 41}, {3, 60}},
	}}
	if err := c.Draw(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", "Memory", "endpoints", "agent", "istiod"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the drawing", want)
		}
	}
	if err := c.Draw(filepath.Join(t.TempDir(), "missing", "x.svg")); err == nil {
		t.Error("drawn into a folder that is not there")
	}
}
