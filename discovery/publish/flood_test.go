package publish_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// flood is a client with a good certificate that speaks HTTP/2 by hand.
type flood struct {
	*http2.Framer
	conn *tls.Conn
	// ended is closed when the server has closed the connection; answered gets a value
	// when it has ended a stream.
	ended    chan struct{}
	answered chan uint32
}

func (r *rig) flood(t *testing.T) *flood {
	t.Helper()
	config := clientTLS(r.ca, r.ca.Leaf(t, identity(east)))
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", r.address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newFlood(t, conn)
}

// newFlood begins to speak, and takes all that comes.
func newFlood(t *testing.T, conn *tls.Conn) *flood {
	t.Helper()
	f := &flood{Framer: http2.NewFramer(conn, conn), conn: conn, ended: make(chan struct{}), answered: make(chan uint32, 1)}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go f.read()
	return f
}

// read takes all that comes.
func (f *flood) read() {
	defer close(f.ended)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		header := frame.Header()
		if header.Type == http2.FrameRSTStream || header.Flags.Has(http2.FlagHeadersEndStream) && header.Type == http2.FrameHeaders {
			select {
			case f.answered <- header.StreamID:
			default:
			}
		}
	}
}

// begin opens a stream.
func (f *flood) begin(id uint32) error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"},
		{":scheme", "https"},
		{":path", "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"},
		{":authority", "agent"},
		{"content-type", "application/grpc"},
		{"te", "trailers"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
}

// turnedAway is what a server does to a client: it closes the connection, or takes no
// more of what it sends.
func turnedAway(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, new(*net.OpError))
}

// heap is how many bytes the process holds.
func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapInuse + stats.StackInuse)
}

// TestFloods: X04. What a client with a good certificate sends beyond all measure ends
// its stream or its connection, or is not taken; it takes no memory, and others are
// served as before. It does not run beside other tests, since it measures the heap.
func TestFloods(t *testing.T) {
	const frames = 100_000
	for name, tc := range map[string]struct {
		send func(f *flood) error
		// ends is true where the stream must be ended.
		ends bool
	}{
		"a message of 100 MiB": {func(f *flood) error {
			if err := f.begin(1); err != nil {
				return err
			}
			const size = 100 << 20
			if err := f.WriteData(1, false, []byte{0, size >> 24, size >> 16 & 0xff, size >> 8 & 0xff, size & 0xff}); err != nil {
				return err
			}
			return f.WriteData(1, false, make([]byte, 8<<10))
		}, true},
		"100,000 frames of settings": {func(f *flood) error {
			for range frames {
				if err := f.WriteSettings(); err != nil {
					return err
				}
			}
			return nil
		}, false},
		"100,000 pings": {func(f *flood) error {
			for range frames {
				if err := f.WritePing(false, [8]byte{}); err != nil {
					return err
				}
			}
			return nil
		}, false},
		"50,000 streams that are reset at once": {func(f *flood) error {
			for id := uint32(1); id < frames; id += 2 {
				if err := f.begin(id); err != nil {
					return err
				}
				if err := f.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil)
			r.publish(t, east, set("a"))
			f := r.flood(t)
			before := heap()
			if err := f.conn.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := tc.send(f); err != nil && !turnedAway(err) {
				t.Errorf("sending ended with %v", err)
			}
			if tc.ends {
				select {
				case <-f.answered:
				case <-f.ended:
				case <-time.After(10 * time.Second):
					t.Error("the stream was not ended")
				}
			}
			// What was sent may still be under way when sending has ended.
			deadline := time.Now().Add(10 * time.Second)
			for heap()-before > 10<<20 {
				if time.Now().After(deadline) {
					t.Fatalf("%d KiB more are held", (heap()-before)>>10)
				}
			}
			other := r.connect(t, east)
			other.Subscribe(xdsclient.Clusters)
			other.Take(xdsclient.Clusters)
		})
	}
}
