//go:build bench

package names

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// question is what is asked for over and over.
type question struct {
	title, name string
	kind        dnsmessage.Type
	// network is udp or tcp, which what does not fit into a datagram is asked by.
	network string
	want    dnsmessage.RCode
	// records is how many there are in the answer.
	records int
}

// many is how many endpoints the large headless service has.
const many = 100

var questions = []question{
	{"A", "web.bench.svc.clusterset.local.", dnsmessage.TypeA, "udp", dnsmessage.RCodeSuccess, 1},
	{"SRV", "_http._tcp.web.bench.svc.clusterset.local.", dnsmessage.TypeSRV, "udp", dnsmessage.RCodeSuccess, 1},
	{"NXDOMAIN", "none.bench.svc.clusterset.local.", dnsmessage.TypeA, "udp", dnsmessage.RCodeNameError, 0},
	{"headless, 100 endpoints, TCP", "large.bench.svc.clusterset.local.", dnsmessage.TypeA, "tcp", dnsmessage.RCodeSuccess, many},
}

// pack is the query, with EDNS as a resolver sends it.
func (q question) pack(b *testing.B) []byte {
	b.Helper()
	message := dnsmessage.Message{Header: dnsmessage.Header{RecursionDesired: true}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName(q.name), Type: q.kind, Class: dnsmessage.ClassINET,
	}}}
	var header dnsmessage.ResourceHeader
	if err := header.SetEDNS0(1232, dnsmessage.RCodeSuccess, false); err != nil {
		b.Fatal(err)
	}
	message.Additionals = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.OPTResource{}}}
	packed, err := message.Pack()
	if err != nil {
		b.Fatal(err)
	}
	return packed
}

// answered is what an answer says, without the order of its records.
func answered(message []byte) (dnsmessage.RCode, map[string]int, error) {
	var parsed dnsmessage.Message
	if err := parsed.Unpack(message); err != nil {
		return 0, nil, err
	}
	records := map[string]int{}
	for _, one := range parsed.Answers {
		records[fmt.Sprintf("%s %v %+v", strings.ToLower(one.Header.Name.String()), one.Header.Type, one.Body)]++
	}
	return parsed.RCode, records, nil
}

// ask puts one query to a server.
func ask(address, network string, packed []byte) ([]byte, error) {
	connection, err := net.DialTimeout(network, address, time.Minute)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	return exchange(connection, network, packed, make([]byte, 65536))
}

// exchange sends a query and reads its answer into room.
func exchange(connection net.Conn, network string, packed, room []byte) ([]byte, error) {
	if network == "udp" {
		if _, err := connection.Write(packed); err != nil {
			return nil, err
		}
		length, err := connection.Read(room)
		return room[:length], err
	}
	if _, err := connection.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(connection, room[:2]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(room))
	_, err := io.ReadFull(connection, room[:length])
	return room[:length], err
}

// wantSame wants the same records of all servers, as many as there are, and ends the
// benchmark where there are others.
func wantSame(b *testing.B, servers []*server, q question) {
	b.Helper()
	var first map[string]int
	for i, s := range servers {
		sides.Await(b, fmt.Sprintf("%s answers %s as it should", s.name, q.title), func(ctx context.Context) error {
			message, err := ask(s.address, q.network, q.pack(b))
			if err != nil {
				return err
			}
			code, records, err := answered(message)
			switch {
			case err != nil:
				return err
			case code != q.want || len(records) != q.records:
				return fmt.Errorf("%v with %d records", code, len(records))
			case i == 0:
				first = records
			case !maps.Equal(records, first):
				return errors.New("other records:\n" + strings.Join(slices.Sorted(maps.Keys(records)), "\n") + "\nthan:\n" + strings.Join(slices.Sorted(maps.Keys(first)), "\n"))
			}
			return nil
		})
	}
}
