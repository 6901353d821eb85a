//go:build bench

package names

import (
	"net"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// serverCore is the processor that the servers have for themselves.
const serverCore = "0"

// echoVariable makes this binary a server that answers with what it was asked.
const echoVariable = "EASTWEST_BENCH_ECHO"

func TestMain(m *testing.M) {
	if address := os.Getenv(echoVariable); address != "" {
		echo(address)
	}
	if err := leaveCore(); err != nil {
		panic(err)
	}
	os.Exit(testapi.Main(m))
}

// leaveCore keeps this process, and all that it starts without saying otherwise, off the
// processor of the servers. Each thread has its own set; new ones take that of the one
// that makes them.
func leaveCore() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() < 2 {
		return err
	}
	set.Clear(0)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, one := range threads {
		id, err := strconv.Atoi(one.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return err
		}
	}
	return nil
}

// echo sends every datagram back with the bit that makes it an answer. It is as little
// as a server can do: what asks it shows its own ceiling.
func echo(address string) {
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		panic(err)
	}
	message := make([]byte, 4096)
	for udp := socket.(*net.UDPConn); ; {
		length, from, err := udp.ReadFromUDPAddrPort(message)
		if err != nil || length < 12 {
			continue
		}
		message[2] |= 0x80
		_, _ = udp.WriteToUDPAddrPort(message[:length], from)
	}
}
