// Package facade answers istiod in the place of other members' API servers: with
// what istiod lists there, read with the agent's own narrow credential and passed
// on as it comes, and with nothing else. Secrets of other members do not exist
// here, whoever asks, so that no credential that can read them need exist
// anywhere.
//
// It must not know what the objects mean: requests and answers go through
// unaltered.
package facade

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Prefix is the first part of the path under which a member's API is served:
// Prefix + NAME is the URL that goes into istiod's kubeconfig.
const Prefix = "/members/"

// Options are what a facade works with.
type Options struct {
	// Member is how to reach a member; false where there is none of that name.
	Member func(model.MemberName) (*rest.Config, bool)
	// Token is what istiod shows; empty: nobody is let in.
	Token func() string
	Log   *slog.Logger
}

// Facade is an http.Handler.
type Facade struct {
	options Options

	// mu guards backends.
	mu       sync.Mutex
	backends map[model.MemberName]*backend
}

// backend is the way to one member, for as long as its credential is the same.
type backend struct {
	config *rest.Config
	proxy  *httputil.ReverseProxy
}

// New returns a facade.
func New(options Options) *Facade {
	return &Facade{options: options, backends: map[model.MemberName]*backend{}}
}

// ServeHTTP judges a request, and passes on what is allowed.
func (f *Facade) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.admits(r) {
		refuse(w, http.StatusUnauthorized, "Unauthorized", "no or another token")
		return
	}
	name, path, ok := split(r.URL.Path)
	if !ok {
		refuse(w, http.StatusNotFound, "NotFound", "the path is not below "+Prefix+"NAME")
		return
	}
	what := judge(r.Method, path, r.URL.Query())
	switch what.answer {
	case forbidden:
		refuse(w, http.StatusForbidden, "Forbidden", what.reason)
	case nothing:
		f.nothing(w, r)
	case passOn:
		f.passOn(w, r, model.MemberName(name), path)
	}
}

// admits compares tokens by their hashes, in a time that tells nothing.
func (f *Facade) admits(r *http.Request) bool {
	shown, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	wanted := f.options.Token()
	if !found || wanted == "" {
		return false
	}
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(wanted))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// split takes a path apart into a member and the path at its API server.
func split(path string) (member, rest string, ok bool) {
	path, found := strings.CutPrefix(path, Prefix)
	if !found {
		return "", "", false
	}
	member, rest, found = strings.Cut(path, "/")
	return member, "/" + rest, found && member != ""
}

func (f *Facade) passOn(w http.ResponseWriter, r *http.Request, name model.MemberName, path string) {
	to, err := f.backend(name)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		return
	}
	out := r.Clone(r.Context())
	out.URL.Path, out.URL.RawPath = path, ""
	// What the caller proved itself with is for us alone.
	for _, header := range []string{"Authorization", "Cookie", "X-Forwarded-For", "Forwarded"} {
		out.Header.Del(header)
	}
	for header := range out.Header {
		if strings.HasPrefix(header, "Impersonate-") || strings.HasPrefix(header, "X-Remote-") {
			out.Header.Del(header)
		}
	}
	to.ServeHTTP(w, out)
}

var errUnknown = errors.New("no member of that name is known here at the moment")

// backend is the proxy to a member, made anew when its credential is another.
func (f *Facade) backend(name model.MemberName) (*httputil.ReverseProxy, error) {
	config, ok := f.options.Member(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !ok {
		delete(f.backends, name)
		return nil, errUnknown
	}
	if known := f.backends[name]; known != nil && known.config == config {
		return known.proxy, nil
	}
	proxy, err := f.proxy(name, config)
	if err != nil {
		return nil, err
	}
	f.backends[name] = &backend{config: config, proxy: proxy}
	return proxy, nil
}

func (f *Facade) proxy(name model.MemberName, config *rest.Config) (*httputil.ReverseProxy, error) {
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("the address of member %s is no URL", name)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to member %s: %w", name, err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = target.Host
		},
		Transport: transport,
		// A watch is a stream: what comes is passed on at once.
		FlushInterval:  -1,
		ModifyResponse: noRedirect,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				f.options.Log.Debug("facade", "member", name, "path", r.URL.Path, "error", err)
			}
			refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", "member "+string(name)+" does not answer")
		},
	}, nil
}

// noRedirect keeps a member from sending istiod elsewhere.
func noRedirect(response *http.Response) error {
	if response.StatusCode >= 300 && response.StatusCode < 400 && response.StatusCode != http.StatusNotModified {
		return errors.New("the member answered with a redirect")
	}
	response.Header.Del("Set-Cookie")
	return nil
}
