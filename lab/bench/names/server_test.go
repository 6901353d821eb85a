//go:build bench

package names

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
	"github.com/eastwest-mesh/eastwest/lab/internal/meter"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// The servers. CoreDNS is asked with and without its plugin cache: with it answers are
// fast and up to five seconds old.
const (
	agent  = "agent"
	plain  = "coredns"
	cached = "coredns with cache"
)

// server is one of them under way.
type server struct {
	name, address string
	process       *os.Process
}

// start runs a server until the benchmark ends, or stop is called.
func start(b *testing.B, name string) (_ *server, stop func()) {
	b.Helper()
	dir, ports := b.TempDir(), freePorts(b)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	write(b, kubeconfig, string(testapi.Kubeconfig(b)))
	var cmd *exec.Cmd
	if name == agent {
		write(b, filepath.Join(dir, "agent.yaml"), fmt.Sprintf(agentConfig, namespace, dir, ports[1], ports[2], ports[0]))
		cmd = run(sides.Binary(b, "EASTWEST_AGENT_BIN", "../../../bin/eastwest-agent"), "run", "--config", filepath.Join(dir, "agent.yaml"), "--kubeconfig", kubeconfig)
	} else {
		_, port, _ := net.SplitHostPort(ports[0])
		text := fmt.Sprintf(corefile, port, ports[2], kubeconfig)
		if name == cached {
			text = strings.Replace(text, "errors", "errors\n    cache", 1)
		}
		write(b, filepath.Join(dir, "Corefile"), text)
		cmd = run(sides.Binary(b, "EASTWEST_COREDNS", sides.Newest(b, "coredns/*/coredns")), "-conf", filepath.Join(dir, "Corefile"))
	}
	stop = begin(b, cmd)
	path := map[bool]string{true: "/readyz", false: "/ready"}[name == agent]
	sides.Await(b, name+" is ready", func(ctx context.Context) error { return sides.Healthy(ctx, "http://"+ports[2]+path) })
	return &server{name: name, address: ports[0], process: cmd.Process}, stop
}

const agentConfig = `apiVersion: eastwest.dev/v1alpha1
kind: AgentConfig
member: {name: east, network: east}
mesh: bench
dataPlane: none
exports: {policy: [{namespace: %s, name: "*"}]}
members: {source: folder, folder: "%s"}
listen: {admin: "%s", health: "%s"}
dns: {listen: "%s", exempt: [127.0.0.0/8]}
`

const corefile = `clusterset.local:%s {
    errors
    ready %s
    kubernetes clusterset.local {
        kubeconfig %s
        multicluster clusterset.local
    }
}
`

// run prepares a server that has one processor.
func run(path string, args ...string) *exec.Cmd {
	cmd := exec.Command("taskset", append([]string{"-c", serverCore, path}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "POD_NAME=bench")
	return cmd
}

// begin starts a command and returns what ends it. Where the benchmark failed the end of
// its log is shown.
func begin(b *testing.B, cmd *exec.Cmd) func() {
	b.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	// A benchmark that is killed must leave nothing behind.
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
		if b.Failed() {
			text := log.Bytes()
			b.Logf("the log of %v ends:\n%s", cmd.Args, text[max(0, len(text)-4000):])
		}
	}
	b.Cleanup(stop)
	return stop
}

func write(b *testing.B, path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// freePorts are three addresses on loopback that nobody listens on.
func freePorts(b *testing.B) [3]string {
	b.Helper()
	var free [3]string
	for i := range free {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer listener.Close()
		free[i] = listener.Addr().String()
	}
	return free
}

// resident is how much memory the server has, in bytes.
func (s *server) resident(b *testing.B) int64 {
	b.Helper()
	memory, err := meter.MemoryOf(s.process.Pid)
	if err != nil {
		b.Fatal(err)
	}
	return memory.Now
}

// worked is how much of a processor the server has had so far.
func (s *server) worked(b *testing.B) time.Duration {
	b.Helper()
	worked, err := meter.Worked(s.process.Pid)
	if err != nil {
		b.Fatal(err)
	}
	return worked
}
