// Package netns makes connections in network namespaces from one process: what the
// tests measure then costs no process of its own. It must not know clusters.
package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// init keeps the main goroutine on the first thread, whose namespace is the one that
// a process is said to be in, so that dial never gets that thread.
func init() { runtime.LockOSThread() }

// Dial connects to an IP address and port in the namespace at path. A socket stays
// in the namespace that it was made in.
func Dial(ctx context.Context, path, address string, timeout time.Duration) (net.Conn, error) {
	type answer struct {
		conn net.Conn
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		conn, err := dial(ctx, path, address, timeout)
		done <- answer{conn, err}
	}()
	a := <-done
	return a.conn, a.err
}

// dial spoils the thread it runs on: as it is never unlocked, it ends with the
// goroutine, and nobody else gets it in a foreign namespace.
func dial(ctx context.Context, path, address string, timeout time.Duration) (net.Conn, error) {
	runtime.LockOSThread()
	namespace, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	defer namespace.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	dialer := net.Dialer{Timeout: timeout}
	return dialer.DialContext(ctx, "tcp", address)
}
