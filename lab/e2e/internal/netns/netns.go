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
// a process is said to be in, so that Do never gets that thread.
func init() { runtime.LockOSThread() }

// Dial connects by TCP to an IP address and port in the namespace at path. A socket
// stays in the namespace that it was made in.
func Dial(ctx context.Context, path, address string, timeout time.Duration) (net.Conn, error) {
	return DialNetwork(ctx, path, "tcp", address, timeout)
}

// DialNetwork is Dial for any network of net.Dial.
func DialNetwork(ctx context.Context, path, network, address string, timeout time.Duration) (conn net.Conn, err error) {
	err = Do(path, func() (err error) {
		dialer := net.Dialer{Timeout: timeout}
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Do runs something in the namespace at path, on a thread of its own. It spoils that
// thread: as it is never unlocked, it ends with the goroutine, and nobody else gets it
// in a foreign namespace.
func Do(path string, what func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := enter(path); err != nil {
			done <- err
			return
		}
		done <- what()
	}()
	return <-done
}

func enter(path string) error {
	namespace, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer namespace.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", path, err)
	}
	return nil
}
