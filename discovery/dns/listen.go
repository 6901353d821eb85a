package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sockets are where a server is asked: one address, by UDP and TCP.
type Sockets struct {
	// udp has one for each processor; the kernel shares what comes in among them.
	udp []*net.UDPConn
	tcp net.Listener
}

// backlog is how much may wait for a reader, in bytes, as far as the kernel lets us.
const backlog = 4 << 20

// Listen opens the sockets at an address such as ":53". With port 0 the kernel
// chooses one.
func Listen(ctx context.Context, address string) (*Sockets, error) {
	out := &Sockets{}
	shared := net.ListenConfig{Control: share}
	for range runtime.GOMAXPROCS(0) {
		socket, err := shared.ListenPacket(ctx, "udp", address)
		if err != nil {
			out.Close()
			return nil, fmt.Errorf("listen for DNS queries: %w", err)
		}
		udp, isUDP := socket.(*net.UDPConn)
		if !isUDP {
			out.Close()
			return nil, errors.Join(fmt.Errorf("listen for DNS queries: %s is no address of UDP", address), socket.Close())
		}
		_ = udp.SetReadBuffer(backlog) // what the kernel gives has to do
		out.udp = append(out.udp, udp)
		address = udp.LocalAddr().String()
	}
	alone := net.ListenConfig{}
	var err error
	if out.tcp, err = alone.Listen(ctx, "tcp", address); err != nil {
		out.Close()
		return nil, fmt.Errorf("listen for DNS connections: %w", err)
	}
	return out, nil
}

// share lets several sockets have one address.
func share(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(descriptor uintptr) {
		failed = unix.SetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failed)
}

// Address is where they are, with the port that the kernel chose.
func (s *Sockets) Address() string { return s.tcp.Addr().String() }

// Close closes all of them; it may be called more than once.
func (s *Sockets) Close() {
	for _, socket := range s.udp {
		_ = socket.Close()
	}
	if s.tcp != nil {
		_ = s.tcp.Close()
	}
}
