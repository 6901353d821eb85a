package podexec

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// TestCappedKeepsTheBeginning: a command that never stops printing costs time,
// not memory, and is never told that it should stop.
func TestCappedKeepsTheBeginning(t *testing.T) {
	t.Parallel()
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	var out capped
	for range maxOutput/len(chunk) + 3 {
		if n, err := out.Write(chunk); n != len(chunk) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if out.Len() != maxOutput || !bytes.HasPrefix(out.Bytes(), chunk) {
		t.Errorf("kept %d bytes, want %d", out.Len(), maxOutput)
	}
}

func TestCappedFillsUpToTheLastByte(t *testing.T) {
	t.Parallel()
	var out capped
	for _, size := range []int{maxOutput - 3, 0, 2, 5, 1} {
		if n, err := out.Write(make([]byte, size)); n != size || err != nil {
			t.Fatalf("wrote %d of %d, %v", n, size, err)
		}
	}
	if out.Len() != maxOutput {
		t.Errorf("kept %d bytes, want %d", out.Len(), maxOutput)
	}
}

func TestExitError(t *testing.T) {
	t.Parallel()
	for want, one := range map[string]*ExitError{
		"exit code 7":                     {Code: 7},
		"exit code 60: curl: (60) no SAN": {Code: 60, Stderr: "\ncurl: (60) no SAN\n"},
	} {
		if got := one.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	var exit *ExitError
	if !errors.As(fmt.Errorf("x: %w", &ExitError{Code: 3}), &exit) || exit.Code != 3 {
		t.Errorf("got %v", exit)
	}
}
