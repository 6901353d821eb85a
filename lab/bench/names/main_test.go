//go:build bench

package names

import (
	"net"
	"os"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// serverCore is the processor that the servers have for themselves.
const serverCore = "0"

// echoVariable makes this binary a server that answers with what it was asked.
const echoVariable = "EASTWEST_BENCH_ECHO"

func TestMain(m *testing.M) {
	if address := os.Getenv(echoVariable); address != "" {
		echo(address)
	}
	if err := sides.LeaveFirstCore(); err != nil {
		panic(err)
	}
	os.Exit(testapi.Main(m))
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
