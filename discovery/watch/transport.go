package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// What a member may send.
const (
	// maxPage bounds a page of a list, maxObject an object of a watch, in bytes
	// after decompression.
	maxPage, maxObject = 64 << 20, 3 << 20
	// maxStatus bounds what is read of an error.
	maxStatus = 64 << 10
)

// errTooLarge is a body over its bound.
var errTooLarge = errors.New("the answer is larger than allowed")

// client is the connection to one API server with one credential.
type client struct {
	base   *url.URL
	http   *http.Client
	timing timing
	close  func()
	// secrets takes the place of credentials in foreign words: whoever answers may say back
	// what it was sent.
	secrets *strings.Replacer
}

// hidden stands for a credential.
const hidden = "(credential)"

// secretsOf are what must not be shown of a connection.
func secretsOf(config *rest.Config) *strings.Replacer {
	var pairs []string
	for _, secret := range []string{config.BearerToken, config.Password} {
		if secret != "" {
			pairs = append(pairs, secret, hidden)
		}
	}
	return strings.NewReplacer(pairs...)
}

// newClient makes a transport of its own, not one of client-go's shared ones:
// its pings are set per connection instead of by environment variables of the
// process, and it can be closed without touching another member's.
func newClient(config *rest.Config, timing timing) (*client, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the server's URL: %w", err)
	}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("read the TLS configuration of %s: %w", base.Host, err)
	}
	dial := config.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	open := &connections{dial: dial, all: map[net.Conn]struct{}{}}
	proxy := config.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	transport := &http.Transport{
		Proxy: proxy, DialContext: open.DialContext, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2: true, ResponseHeaderTimeout: timing.idle, IdleConnTimeout: 90 * time.Second,
		MaxResponseHeaderBytes: 1 << 20, DisableCompression: config.DisableCompression,
		HTTP2: &http.HTTP2Config{SendPingTimeout: timing.pingAfter, PingTimeout: timing.pingTimeout},
	}
	wrapped, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, fmt.Errorf("read the credential of %s: %w", base.Host, err)
	}
	return &client{
		base: base, timing: timing, secrets: secretsOf(config),
		http: &http.Client{Transport: wrapped, CheckRedirect: func(*http.Request, []*http.Request) error {
			// An API server has no reason to send us elsewhere, an attacker has.
			return http.ErrUseLastResponse
		}},
		close: func() {
			open.closeAll()
			transport.CloseIdleConnections()
		},
	}, nil
}

// connections knows every connection of a client, so that a withdrawn credential
// does not live on in an open one.
type connections struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	// mu guards closed and all.
	mu     sync.Mutex
	closed bool
	all    map[net.Conn]struct{}
}

func (c *connections) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	one := &connection{Conn: conn, from: c}
	c.all[one] = struct{}{}
	return one, nil
}

func (c *connections) closeAll() {
	c.mu.Lock()
	c.closed = true
	all := c.all
	c.all = nil
	c.mu.Unlock()
	for one := range all {
		_ = one.Close() //nolint:errcheck // it is closed twice where the peer was faster
	}
}

type connection struct {
	net.Conn
	from *connections
}

func (c *connection) Close() error {
	c.from.mu.Lock()
	delete(c.from.all, c)
	c.from.mu.Unlock()
	return c.Conn.Close()
}

// get asks for a path and returns the body of a good answer. The body fails when
// its bytes stop for too long; its reader bounds how many it takes.
func (c *client) get(ctx context.Context, path string, query url.Values, accept string, idle time.Duration) (*body, error) {
	target := *c.base
	target.Path = strings.TrimSuffix(target.Path, "/") + path
	target.RawQuery = query.Encode()
	ctx, cancel := context.WithCancelCause(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		cancel(err)
		return nil, fmt.Errorf("make a request: %w", err)
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("User-Agent", "eastwest-agent")
	response, err := c.http.Do(request)
	if err != nil {
		cancel(err)
		return nil, &Fault{Reason: Unreachable, Message: withoutURL(err).Error()}
	}
	stream := &body{from: response.Body, idle: idle, cancel: cancel, ctx: ctx}
	stream.timer = time.AfterFunc(idle, func() { cancel(errStalled) })
	if response.StatusCode != http.StatusOK {
		defer stream.Close()
		stream.within(idle)
		return nil, statusFault(response, stream, c.secrets)
	}
	content := response.Header.Get("Content-Type")
	if wanted, _, _ := strings.Cut(accept, ";"); !strings.HasPrefix(content, wanted) {
		defer stream.Close()
		return nil, &Fault{Reason: Garbled, Message: fmt.Sprintf("the answer is %.80q, not %s", c.secrets.Replace(content), wanted)}
	}
	return stream, nil
}

// errStalled is the end of a body whose bytes stopped.
var errStalled = errors.New("nothing came for too long")

// withoutURL drops what net/http puts around the cause: the URL is long and the
// same for all.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// body is an answer that is read with a time limit: on every read, or on all that is
// read until it gets another one.
type body struct {
	from   io.ReadCloser
	idle   time.Duration
	whole  bool
	timer  *time.Timer
	ctx    context.Context //nolint:containedctx // of the request it belongs to, for its cause
	cancel context.CancelCauseFunc
}

func (b *body) Read(into []byte) (int, error) {
	if !b.whole {
		b.timer.Reset(b.idle)
	}
	n, err := b.from.Read(into)
	if cause := context.Cause(b.ctx); err != nil && cause != nil {
		err = cause
	}
	return n, err
}

// within bounds all that is read from now on, however slowly its bytes trickle.
func (b *body) within(most time.Duration) {
	b.whole = true
	b.timer.Reset(most)
}

func (b *body) Close() error {
	b.timer.Stop()
	b.cancel(context.Canceled)
	return b.from.Close()
}

// readAll reads a body of bounded size.
func readAll(from io.Reader, most int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > most {
		return nil, errTooLarge
	}
	return content, nil
}
