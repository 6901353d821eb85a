//go:build e2e

package plainfaults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/netns"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

func packed(name string, kind dnsmessage.Type) ([]byte, error) {
	parsed, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, err
	}
	var header dnsmessage.ResourceHeader
	if err := header.SetEDNS0(1232, dnsmessage.RCodeSuccess, false); err != nil {
		return nil, err
	}
	message := dnsmessage.Message{
		Header:      dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions:   []dnsmessage.Question{{Name: parsed, Type: kind, Class: dnsmessage.ClassINET}},
		Additionals: []dnsmessage.Resource{{Header: header, Body: &dnsmessage.OPTResource{}}},
	}
	return message.Pack()
}

// resolve asks a server for addresses from the node of c1, once.
func resolve(ctx context.Context, network, server, name string) (answer dnsmessage.Message, err error) {
	query, err := packed(name, dnsmessage.TypeA)
	if err != nil {
		return answer, err
	}
	conn, err := netns.DialNetwork(ctx, suite.Netns(1), network, server, callPatience)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(callPatience)); err != nil {
		return answer, err
	}
	room := make([]byte, 65536)
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := conn.Write(query); err != nil {
		return answer, err
	}
	length := 0
	if network == "tcp" {
		if _, err := io.ReadFull(conn, room[:2]); err != nil {
			return answer, err
		}
		length, err = io.ReadFull(conn, room[:binary.BigEndian.Uint16(room)])
	} else {
		length, err = conn.Read(room)
	}
	if err != nil {
		return answer, err
	}
	return answer, answer.Unpack(room[:length])
}

// clusterDNS is the address of the own DNS of c1.
func clusterDNS(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort(suite.Kubectl(t, 1, "-n", "kube-system", "get", "service", "kube-dns", "-o", "jsonpath={.spec.clusterIP}"), "53")
}

// wantServed looks names up through the cluster's own DNS, each another one, so that
// none is remembered, and wants all of them to be denied by the agent.
func wantServed(t *testing.T, network string, count int) {
	t.Helper()
	server, slowest := clusterDNS(t), time.Duration(0)
	for i := range count {
		name := fmt.Sprintf("none-%s-%d-%d.shop.svc.clusterset.local.", network, i, time.Now().UnixNano())
		took := rig.Await(t, "the cluster's DNS answers", time.Minute, func(ctx context.Context) error {
			answer, err := resolve(ctx, network, server, name)
			if err == nil && answer.RCode != dnsmessage.RCodeNameError {
				err = errors.New(answer.RCode.String())
			}
			return err
		})
		slowest = max(slowest, took)
	}
	t.Logf("%d lookups by %s through the cluster's DNS, the slowest in %s", count, network, slowest.Round(time.Millisecond))
}

// victim is the source that the queries of the flood seem to come from.
var victim = [4]byte{198, 18, 0, 1}

// flood sends a query from the victim to a pod's DNS until ctx ends.
func flood(ctx context.Context, path, address string, query []byte) (count int, err error) {
	to := [4]byte(net.ParseIP(address).To4())
	const headers = 28 // of IPv4 and UDP
	datagram := make([]byte, headers, headers+len(query))
	datagram[0], datagram[8], datagram[9] = 0x45, 64, unix.IPPROTO_UDP
	copy(datagram[12:], victim[:])
	copy(datagram[16:], to[:])
	binary.BigEndian.PutUint16(datagram[20:], 5353)
	binary.BigEndian.PutUint16(datagram[22:], 10053)
	binary.BigEndian.PutUint16(datagram[24:], uint16(8+len(query)))
	datagram = append(datagram, query...) // no checksum: there need be none over IPv4
	err = netns.Do(path, func() error {
		raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(raw)
		for ; ctx.Err() == nil; count++ {
			err := unix.Sendto(raw, datagram, 0, &unix.SockaddrInet4{Addr: to})
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return err
			}
		}
		return nil
	})
	return count, err
}

// traffic is what came to a pod and left it, in bytes.
type traffic struct{ in, out int }

func trafficOf(t *testing.T, pod rig.Pod) traffic {
	t.Helper()
	pid, err := pod.PID()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(text), "eth0:")
	var out traffic
	var rest [7]int
	if !found {
		t.Fatalf("pod %s has no eth0: %s", pod.Name, text)
	}
	if _, err := fmt.Sscan(line, &out.in, &rest[0], &rest[1], &rest[2], &rest[3], &rest[4], &rest[5], &rest[6], &out.out); err != nil {
		t.Fatal(err)
	}
	return out
}
