//go:build e2e

package agentfaults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// unless is an error where something is not so.
func unless(so bool, format string, args ...any) error {
	if so {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// pass lets time go by which the fault itself takes, and fails where the agent ends
// meanwhile.
func (a *agent) pass(t *testing.T, span time.Duration) {
	t.Helper()
	select {
	case <-a.done:
		t.Fatal("the agent ended")
	case <-time.After(span):
	}
}

// cpu is how much time the process has used.
func (a *agent) cpu(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid))
	must(t, err)
	// The name in parentheses may hold spaces; user and system time are fields 14, 15.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:13] {
		number, err := strconv.Atoi(field)
		must(t, err)
		ticks += number
	}
	return time.Duration(ticks) * time.Second / 100
}

// files counts the file descriptors that the process has open.
func (a *agent) files(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(a.cmd.Process.Pid), "fd"))
	must(t, err)
	return len(entries)
}

// firewall puts a rule into force for what comes in, until the test ends or lift is
// called.
func firewall(t *testing.T, rule string) (lift func()) {
	t.Helper()
	const table = "inet faults"
	nft(t, fmt.Sprintf("table %s {\n  chain in { type filter hook input priority 0; %s; }\n}\n", table, rule))
	up := true
	lift = func() {
		if up {
			nft(t, "delete table "+table+"\n")
		}
		up = false
	}
	t.Cleanup(lift)
	return lift
}

func nft(t *testing.T, rules string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Error(errors.Join(err, errors.New(string(out))))
	}
}

// port is that of HOST:PORT or of a URL.
func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }
