package publish_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// faults says that rows of the fault tables which take long are wanted, too.
const faults = "EASTWEST_FAULTS"

// asServer has this test binary serve for another process.
const asServer = "EASTWEST_TEST_PUBLISH_SERVER"

// TestServeForAnotherProcess is no test by itself: it is the server of served. It says
// where it is and by which certificate it lets in, and ends with its standard input.
func TestServeForAnotherProcess(t *testing.T) {
	if os.Getenv(asServer) == "" {
		t.Skip("it serves TestFloodsOfAProcess")
	}
	r := start(t, nil)
	r.publish(t, east, set("a"))
	var text bytes.Buffer
	client := r.ca.Leaf(t, identity(east))
	text.Write(client.ChainPEM())
	text.Write(client.KeyPEM(t))
	_ = pem.Encode(&text, &pem.Block{Type: "ROOT", Bytes: r.ca.Cert.Raw})
	fmt.Printf("SERVES %s %s\n", r.address, base64.StdEncoding.EncodeToString(text.Bytes()))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// process is a publisher in a process of its own.
type process struct {
	pid     int
	address string
	config  *tls.Config
}

func served(t *testing.T) *process {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.run=^TestServeForAnotherProcess$", "-test.v")
	cmd.Env = append(os.Environ(), asServer+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the server said no address: %v", err)
		}
		if words := strings.Fields(line); len(words) == 3 && words[0] == "SERVES" {
			return &process{cmd.Process.Pid, words[1], clientOf(t, words[2])}
		}
	}
}

// clientOf reads what a server says of its client.
func clientOf(t *testing.T, encoded string) *tls.Config {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ROOT" {
			root, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			roots.AddCert(root)
		}
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		InsecureSkipVerify: true, //nolint:gosec // the chain is verified below
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots})
			return err
		},
	}
}

var memoryLine = regexp.MustCompile(`(?m)^(VmRSS|VmHWM):\s+(\d+) kB$`)

// memory is what the kernel says: what the process has, and the most it ever had.
func (p *process) memory(t *testing.T) (now, most int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range memoryLine.FindAllStringSubmatch(string(text), -1) {
		kib, err := strconv.Atoi(found[2])
		if err != nil {
			t.Fatal(err)
		}
		if found[1] == "VmRSS" {
			now = kib << 10
		} else {
			most = kib << 10
		}
	}
	return now, most
}

// flood connects by hand.
func (p *process) flood(t *testing.T) *flood {
	t.Helper()
	config := p.config.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", p.address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newFlood(t, conn)
}

// TestFloodsOfAProcess is X04 against a process of its own over TLS, and by what the
// kernel says of its memory. The neighbours are the last three: a head without end, a
// head that unpacks to much more, and a message in frames of one byte.
func TestFloodsOfAProcess(t *testing.T) {
	if os.Getenv(faults) != "all" {
		t.Skipf("TestFloods is the same in this process; set %s=all for this one", faults)
	}
	const frames = 100_000
	for _, tc := range []struct {
		name string
		send func(f *flood) error
		// ends is true where the stream must be ended.
		ends bool
	}{
		{"a message of 100 MiB, as much of it as is asked for", func(f *flood) error {
			if err := f.begin(1); err != nil {
				return err
			}
			const size = 100 << 20
			head := []byte{0, size >> 24, size >> 16 & 0xff, size >> 8 & 0xff, size & 0xff}
			return f.WriteData(1, false, append(head, make([]byte, 8<<10)...))
		}, true},
		{"a message of 100 MiB, whatever is asked for", func(f *flood) error {
			if err := f.begin(1); err != nil {
				return err
			}
			const size = 100 << 20
			head := []byte{0, size >> 24, size >> 16 & 0xff, size >> 8 & 0xff, size & 0xff}
			for sent := 0; sent < size; sent += 16 << 10 {
				if err := f.WriteData(1, false, append(head, make([]byte, 16<<10-len(head))...)); err != nil {
					return err
				}
				head = nil
			}
			return nil
		}, false},
		{"100,000 frames of settings", func(f *flood) error {
			for range frames {
				if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"50,000 streams that are reset at once", func(f *flood) error {
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
		{"a head without end", func(f *flood) error {
			err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			for i := 0; i < frames && err == nil; i++ {
				err = f.WriteContinuation(1, false, bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 200))
			}
			return err
		}, false},
		{"heads that unpack to much more", func(f *flood) error {
			var block bytes.Buffer
			encoder := hpack.NewEncoder(&block)
			field := hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("x", 3000)}
			for range 5000 { // after the first one each is a byte
				if err := encoder.WriteField(field); err != nil {
					return err
				}
			}
			for id := uint32(1); id < 200; id += 2 {
				if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"a message in frames of a byte", func(f *flood) error {
			if err := f.begin(1); err != nil {
				return err
			}
			err := f.WriteData(1, false, []byte{0, 0, 0x10, 0, 0})
			for i := 0; i < 60_000 && err == nil; i++ { // within the window
				err = f.WriteData(1, false, []byte{'x'})
			}
			return err
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := served(t)
			for range 50 {
				p.serves(t) // until its memory is that of a server at work
			}
			before, _ := p.memory(t)
			f := p.flood(t)
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
			p.serves(t)
			now, most := p.memory(t)
			t.Logf("figure: %d KiB more, at most %d KiB more", (now-before)>>10, (most-before)>>10)
			if grown := now - before; grown > shadow*10<<20 {
				t.Errorf("the process has %d KiB more", grown>>10)
			}
		})
	}
}

// serves fails where a gateway is not served.
func (p *process) serves(t *testing.T) {
	t.Helper()
	conn := xdsclient.Dial(t, p.address, p.config)
	s := xdsclient.Open(t, conn, node(east))
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.Close()
	_ = conn.Close()
}
