//go:build bench

package scale

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// child is this binary as a server, on the processor of the servers.
type child struct {
	cmd     *exec.Cmd
	address string
}

// startSelf runs this binary with a variable set to KIND|ADDRESS|KUBECONFIG until the
// benchmark ends, and waits until it listens.
func startSelf(b *testing.B, variable, kind, kubeconfig string) *child {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("taskset", "-c", fmt.Sprint(core), os.Args[0])
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", variable+"="+strings.Join([]string{kind, address, kubeconfig}, "|"))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	one := &child{cmd, address}
	b.Cleanup(one.Stop)
	sides.AwaitStart(b, "a server of "+variable+" listens", func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return one
}

// Stop ends it.
func (c *child) Stop() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// split reads what startSelf was told.
func split(arguments string) (kind, address, kubeconfig string) {
	parts := strings.SplitN(arguments, "|", 3)
	return parts[0], parts[1], parts[2]
}

// PID is the process's number.
func (c *child) PID() int { return c.cmd.Process.Pid }

// Client is a connection, and who it is for.
func (c *child) Client(b *testing.B, number int) (*grpc.ClientConn, *corev3.Node) {
	b.Helper()
	return xdsclient.Dial(b, c.address, nil), &corev3.Node{Id: fmt.Sprint("client-", number)}
}
