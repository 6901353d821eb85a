//go:build e2e

package plainfaults

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/netns"
)

// callPatience is how long a client waits for an answer: on a busy host a slow one
// is no failure.
const callPatience = 10 * time.Second

// client calls from the network namespace of a cluster.
type client struct {
	http *http.Client
	// dials counts its connections.
	dials atomic.Int64
}

// newClient returns a client in cluster i that opens one connection for each call,
// unless it keeps them.
func newClient(i int, keep bool) *client {
	c := &client{}
	c.http = &http.Client{Timeout: callPatience, Transport: &http.Transport{
		DisableKeepAlives: !keep,
		Protocols:         new(http.Protocols),
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			c.dials.Add(1)
			return netns.Dial(ctx, suite.Netns(i), address, callPatience)
		},
	}}
	c.protocols().SetHTTP1(true)
	return c
}

func (c *client) protocols() *http.Protocols { return c.http.Transport.(*http.Transport).Protocols }

// newGRPC returns a client that speaks HTTP/2 in clear, as gRPC does.
func newGRPC(i int) *client {
	c := newClient(i, true)
	c.protocols().SetHTTP1(false)
	c.protocols().SetUnencryptedHTTP2(true)
	return c
}

func (c *client) close() { c.http.CloseIdleConnections() }

// call returns the version that answers: the name of its cluster.
func (c *client) call(ctx context.Context, host string, port int) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/hello", host, port), nil)
	if err != nil {
		return "", err
	}
	answer, body, err := c.do(request)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", answer.Status, body)
	}
	return versionOf(body)
}

// say is a unary call of gRPC without arguments.
func (c *client) say(ctx context.Context, host string) (string, error) {
	const emptyMessage = "\x00\x00\x00\x00\x00"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s:%d/helloworld.Hello/Say", host, grpcPort), strings.NewReader(emptyMessage))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	answer, body, err := c.do(request)
	if err != nil {
		return "", err
	}
	if status := answer.Trailer.Get("Grpc-Status"); answer.ProtoMajor != 2 || status != "0" {
		return "", fmt.Errorf("%s %s, grpc-status %q: %q", answer.Proto, answer.Status, status, body)
	}
	if len(body) < 5 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-5 {
		return "", fmt.Errorf("no message of gRPC: %q", body)
	}
	return versionOf(body[5:])
}

func (c *client) do(request *http.Request) (*http.Response, []byte, error) {
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}

func versionOf(body []byte) (string, error) {
	_, rest, found := bytes.Cut(body, []byte("Hello version: "))
	version, _, ended := bytes.Cut(rest, []byte(","))
	if !found || !ended {
		return "", errors.New("no answer of ours: " + string(body))
	}
	return string(version), nil
}
