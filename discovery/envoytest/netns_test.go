//go:build envoy

package envoytest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// isolated says that the process has a network namespace of its own.
const isolated = "EASTWEST_ENVOYTEST_ISOLATED"

// faults says that rows of the fault tables which take long are wanted, too.
const faults = "EASTWEST_FAULTS"

// slow skips what takes longer than the suite has time for.
func slow(t *testing.T) {
	t.Helper()
	if os.Getenv(faults) != "all" {
		t.Skipf("it takes a minute: set %s=all", faults)
	}
}

// inNetns runs a test once more in a process whose network namespace is its own, so
// that its firewall cuts nobody else. It is true in that process.
func inNetns(t *testing.T) bool {
	t.Helper()
	if os.Getenv(isolated) != "" {
		return true
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ip link set lo up && exec "$0" "$@"`,
		binary, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	text, err := cmd.CombinedOutput()
	t.Logf("%s", text)
	if err != nil || !strings.Contains(string(text), "--- PASS: "+t.Name()) {
		t.Errorf("in a network namespace of its own: %v", err)
	}
	return false
}

// firewall drops packets within the process's own namespace.
type firewall struct{ t *testing.T }

func newFirewall(t *testing.T) firewall {
	t.Helper()
	f := firewall{t}
	f.nft("add table inet cut; add chain inet cut in { type filter hook input priority 0; }")
	return f
}

// drop cuts what matches a rule, beside what is cut already.
func (f firewall) drop(rule string) {
	f.t.Helper()
	f.nft("add rule inet cut in " + rule + " drop")
}

// heal lets everything pass.
func (f firewall) heal() {
	f.t.Helper()
	f.nft("flush chain inet cut in")
}

func (f firewall) nft(script string) {
	f.t.Helper()
	if text, err := exec.Command("nft", script).CombinedOutput(); err != nil {
		f.t.Fatalf("nft %s: %v\n%s", script, err, text)
	}
}
