package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Sources are who knows what people ask for. What a source of any returns is shown
// as JSON.
type Sources struct {
	// Members are all members and how they stand.
	Members func() any
	// View is the view, and whether every member has been listed; nil before there
	// is one.
	View func() (view *model.View, complete bool)
	// Proxies are the gateways that are connected.
	Proxies func() any
	// Proxy is what a connected gateway has and asks for; false where none of that
	// name is. Published is what the gateways of the own member are to have.
	Proxy     func(node string) (config any, found bool)
	Published func() any
	// Evidence is what is known of one service.
	Evidence func(ctx context.Context, service model.ServiceKey) Evidence
}

// Inspect answers questions about what the agent knows, as JSON. It shows the
// inside of all clusters of the mesh, so it must be served on loopback alone:
// whoever may forward a port to the pod has been asked who he is by the API server.
func Inspect(s Sources) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, answer func(*http.Request) (any, *refusal)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			value, refused := answer(r)
			if refused != nil {
				write(w, refused.status, map[string]string{"error": refused.text})
				return
			}
			write(w, http.StatusOK, value)
		})
	}
	handle("/{$}", func(*http.Request) (any, *refusal) { return questions, nil })
	handle("/members", func(*http.Request) (any, *refusal) { return s.Members(), nil })
	handle("/proxies", func(*http.Request) (any, *refusal) { return s.Proxies(), nil })
	handle("/view", s.view)
	handle("/config", s.config)
	handle("/explain", s.explain)
	profiles(mux)
	return onLoopback(mux)
}

// profiles say where memory and time of the agent go, in the format of go tool pprof.
// They hold names of functions and sizes, and no content of memory.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// questions are what can be asked.
var questions = []string{
	"/members", "/view", "/view?service=NAMESPACE/NAME", "/proxies", "/config", "/config?proxy=NODE",
	"/explain?service=NAMESPACE/NAME", "/explain?service=NAMESPACE/NAME&member=MEMBER",
	"/debug/pprof/",
}

// refusal is why a question has no answer.
type refusal struct {
	status int
	text   string
}

func refuse(status int, format string, values ...any) *refusal {
	return &refusal{status, fmt.Sprintf(format, values...)}
}

// onLoopback refuses requests for other hosts: a page in somebody's browser could
// have its own name lead to the forwarded port.
func onLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !ip.IsLoopback()) {
			write(w, http.StatusForbidden, map[string]string{"error": "ask for localhost: this is served on loopback alone"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func write(w http.ResponseWriter, status int, value any) {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// serviceOf reads the parameter service.
func serviceOf(r *http.Request) (model.ServiceKey, *refusal) {
	namespace, name, found := strings.Cut(r.URL.Query().Get("service"), "/")
	if !found || namespace == "" || name == "" || strings.Contains(name, "/") {
		return model.ServiceKey{}, refuse(http.StatusBadRequest, "ask with ?service=NAMESPACE/NAME")
	}
	return model.ServiceKey{Namespace: namespace, Name: name}, nil
}

func (s Sources) view(r *http.Request) (any, *refusal) {
	view, complete := s.View()
	if view == nil {
		return nil, refuse(http.StatusServiceUnavailable, "there is no view yet: members are still being listed")
	}
	if !r.URL.Query().Has("service") {
		return showView(view, complete), nil
	}
	key, refused := serviceOf(r)
	if refused != nil {
		return nil, refused
	}
	service := view.Services.Get(key)
	if service == nil {
		return nil, refuse(http.StatusNotFound, "no member exports %s; ask /explain?service=%s", key, key)
	}
	return showService(service, true), nil
}

func (s Sources) config(r *http.Request) (any, *refusal) {
	node := r.URL.Query().Get("proxy")
	if node == "" {
		return s.Published(), nil
	}
	config, found := s.Proxy(node)
	if !found {
		return nil, refuse(http.StatusNotFound, "gateway %q is not connected to this replica; ask /proxies", node)
	}
	return config, nil
}

func (s Sources) explain(r *http.Request) (any, *refusal) {
	key, refused := serviceOf(r)
	if refused != nil {
		return nil, refused
	}
	evidence := s.Evidence(r.Context(), key)
	only := model.MemberName(r.URL.Query().Get("member"))
	if only != "" && evidence.member(only) == nil {
		return nil, refuse(http.StatusNotFound, "there is no member %q; ask /members", only)
	}
	return Explain(evidence, only), nil
}
