//go:build envoy

package envoytest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// What peers offer by ALPN: bytes, requests, checks.
var dialects = []string{"istio", "mesh-h2", "mesh-hc"}

// peer is what dials a gateway's inbound port, with good manners or not.
type peer struct {
	address string
	// sni and alpn are what it asks for.
	sni, alpn string
	// certificate is what it shows; none where nil.
	certificate *tls.Certificate
	// version is of TLS; the zero value is the newest.
	version uint16
}

// closed is how long a gateway may take to close a connection: silent ones it
// closes after five seconds.
const closed = 8 * time.Second

func (p peer) config() *tls.Config {
	config := &tls.Config{
		ServerName: p.sni, MaxVersion: p.version, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // it is the gateway that is to be careful
	}
	if p.alpn != "" {
		config.NextProtos = []string{p.alpn}
	}
	if p.certificate != nil {
		// By itself Go's client keeps back what the server did not ask for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.certificate, nil }
	}
	return config
}

// dial does the handshake, which under TLS 1.3 proves nothing to a client.
func (p peer) dial() (*tls.Conn, error) {
	raw, err := net.DialTimeout("tcp", p.address, patience)
	if err != nil {
		return nil, err
	}
	_ = raw.SetDeadline(time.Now().Add(closed))
	conn := tls.Client(raw, p.config())
	if err := conn.Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// greet is the first line that the peer is told.
func (p peer) greet() (string, error) {
	conn, err := p.dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// request sends a request and reads the answer.
func (p peer) request(method, path string, headers map[string]string) (status int, body string, err error) {
	conn, err := p.dial()
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	request, err := http.NewRequest(method, "http://peer"+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	if err := request.Write(conn); err != nil {
		return 0, "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// refused is nil when the gateway closed the connection without a word.
func refused(told string, err error) error {
	switch {
	case told != "":
		return fmt.Errorf("it was told %q", told)
	case err == nil:
		return errors.New("it was let in")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("it was not closed")
	}
	return nil
}

// say sends bytes to a gateway and reads until that closes.
func say(address string, text []byte) (string, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(closed))
	if _, err := conn.Write(text); err != nil {
		return "", err
	}
	told, err := io.ReadAll(conn)
	if err == nil {
		err = io.EOF
	}
	// Before it closes it may send an alert, which is no word of a pod's.
	if len(told) > 0 && told[0] == alert {
		told = nil
	}
	return string(told), err
}

// alert is the type of a TLS record.
const alert = 21

// hello is the ClientHello that a configuration makes.
func hello(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		_ = tls.Client(client, config).Handshake()
		client.Close()
	}()
	_ = server.SetReadDeadline(time.Now().Add(patience))
	head := make([]byte, 5)
	if _, err := io.ReadFull(server, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	return append(head, body...)
}
