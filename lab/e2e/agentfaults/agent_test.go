//go:build e2e

package agentfaults

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// built is the agent that `make build` made.
var built string

func findAgent() (err error) {
	if built, err = filepath.Abs(cmp.Or(os.Getenv("EASTWEST_AGENT_BIN"), "../../../bin/eastwest-agent")); err == nil {
		_, err = os.Stat(built)
	}
	return err
}

// member is another one, and how the agent reaches it.
type member struct {
	name   string
	config *rest.Config
}

// options say how an agent is run.
type options struct {
	// namespace is exported as a whole.
	namespace string
	members   []member
	// secrets has records be Secrets of the own cluster in place of files.
	secrets bool
	// own is how the agent reaches its own cluster; nil: as everybody does.
	own *rest.Config
	// settings are more of its configuration.
	settings string
	// snapshot is where that is written; empty: nowhere.
	snapshot string
	// pod is its name, by which it holds the lease.
	pod string
	// binary is another build of it.
	binary string
	// before are a program and its arguments that run the agent in their place.
	before []string
	env    []string
}

// agent is a process.
type agent struct {
	options
	folder             string
	xds, admin, health string

	cmd  *exec.Cmd
	done chan struct{}
	log  *journal
}

// journal is what a process printed.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// start runs an agent until the test ends and waits until it is ready.
func start(t *testing.T, o options) *agent {
	t.Helper()
	a := prepare(t, o)
	a.start(t)
	a.awaitReady(t)
	return a
}

// prepare writes all that an agent reads.
func prepare(t *testing.T, o options) *agent {
	t.Helper()
	o.pod, o.binary = cmp.Or(o.pod, "agent-0"), cmp.Or(o.binary, built)
	if o.own == nil {
		o.own = own.Config()
	}
	a := &agent{options: o, folder: t.TempDir(), log: &journal{}}
	for _, one := range []string{"members", "ca"} {
		must(t, os.Mkdir(filepath.Join(a.folder, one), 0o700))
	}
	testca.Write(t, filepath.Join(a.folder, "ca"), root(t).Intermediate(t).Files(t))
	for _, one := range o.members {
		a.record(t, one)
	}
	ports := freePorts(t, 3)
	a.xds, a.admin, a.health = ports[0], ports[1], ports[2]
	testca.Write(t, a.folder, map[string][]byte{"agent.yaml": []byte(a.configuration()), "own.yaml": kubeconfig(o.own)})
	t.Cleanup(func() { a.stop(t) })
	return a
}

func (a *agent) configuration() string {
	text := fmt.Sprintf(`apiVersion: eastwest.dev/v1alpha1
kind: AgentConfig
member: {name: %s, network: net-%[1]s}
mesh: faults
exports: {policy: [{namespace: %s, name: "*"}]}
listen: {xds: "%s", admin: "%s", health: "%s"}
`, own.name, a.namespace, a.xds, a.admin, a.health)
	if !a.secrets {
		text += fmt.Sprintf("members: {source: folder, folder: %q}\n", filepath.Join(a.folder, "members"))
	}
	if a.snapshot != "" {
		text += fmt.Sprintf("snapshot: {folder: %q}\n", a.snapshot)
	}
	return text + a.settings
}

// start runs the agent, which must not be running.
func (a *agent) start(t *testing.T) {
	t.Helper()
	args := append(append([]string(nil), a.before...), a.binary, "run", "--config", filepath.Join(a.folder, "agent.yaml"),
		"--kubeconfig", filepath.Join(a.folder, "own.yaml"), "--ca-folder", filepath.Join(a.folder, "ca"))
	a.cmd, a.done = exec.Command(args[0], args[1:]...), make(chan struct{})
	a.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "POD_NAME=" + a.pod}, a.env...)
	a.cmd.Stderr = a.log
	a.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	must(t, a.cmd.Start())
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait()
	}(a.cmd, a.done)
}

// signal sends one to the process.
func (a *agent) signal(t *testing.T, signal unix.Signal) {
	t.Helper()
	must(t, a.cmd.Process.Signal(signal))
}

// kill ends the agent as a crash would.
func (a *agent) kill() {
	_ = a.cmd.Process.Kill()
	<-a.done
}

// stop ends the agent as a kubelet would, and shows the end of its log where the test
// failed.
func (a *agent) stop(t *testing.T) {
	t.Helper()
	if a.cmd != nil && !a.ended() {
		_ = a.cmd.Process.Signal(unix.SIGCONT)
		_ = a.cmd.Process.Signal(unix.SIGTERM)
		<-a.done
	}
	if t.Failed() {
		text := a.log.String()
		t.Logf("the log of %s ends:\n%s", a.pod, text[max(0, len(text)-4000):])
	}
}

func (a *agent) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

func (a *agent) awaitReady(t *testing.T) {
	t.Helper()
	await(t, "the agent is ready", func(ctx context.Context) error {
		if a.ended() {
			t.Fatal("the agent ended")
		}
		_, err := fetch(ctx, "http://"+a.health+"/readyz")
		return err
	})
}

// logged counts the lines of the log that hold a text.
func (a *agent) logged(text string) int { return strings.Count(a.log.String(), text) }

// freePorts are addresses on loopback that nobody listens on.
func freePorts(t *testing.T, count int) []string {
	t.Helper()
	var free []string
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer func() { must(t, errors.Join(listener.Close())) }()
		free = append(free, listener.Addr().String())
	}
	return free
}
