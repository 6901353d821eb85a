package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// sources know one mesh.
func sources() Sources {
	view := viewOf("net-west", func(service *model.Service) {
		service.Backends[0].Slices = []*model.Slice{{Name: "cart-1", Endpoints: model.EndpointsOf(
			model.Endpoint{Addr: netip.MustParseAddr("10.2.0.1"), Zone: model.NoZone},
			model.Endpoint{Addr: netip.MustParseAddr("10.2.0.2"), Zone: model.NoZone, Health: model.Unready},
		)}}
		service.Conflicts = []model.Conflict{{Reason: model.TypeConflict, Winner: "west", Losers: []model.MemberName{"east"}, Message: "type"}}
	})
	return Sources{
		Members:   func() any { return []string{"east", "west"} },
		View:      func() (*model.View, bool) { return view, true },
		Proxies:   func() any { return []string{"gateway-1"} },
		Published: func() any { return "all" },
		Proxy:     func(node string) (any, bool) { return "of " + node, node == "gateway-1" },
		Evidence: func(_ context.Context, service model.ServiceKey) Evidence {
			evidence := healthy()
			evidence.Service = service
			return evidence
		},
	}
}

func ask(s Sources, method, host, path string) (int, string) {
	request := httptest.NewRequest(method, path, nil)
	request.Host = host
	answer := httptest.NewRecorder()
	Inspect(s).ServeHTTP(answer, request)
	return answer.Code, answer.Body.String()
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, path := range []string{
		"/", "/members", "/view", "/view?service=shop/cart", "/view?service=shop/none", "/view?service=cart", "/proxies", "/config",
		"/config?proxy=gateway-1", "/config?proxy=gateway-2", "/explain", "/explain?service=shop/cart&member=west",
		"/explain?service=shop/cart&member=north",
	} {
		status, body := ask(sources(), http.MethodGet, "localhost:15014", path)
		if !json.Valid([]byte(body)) {
			t.Errorf("%s: no JSON: %s", path, body)
		}
		fmt.Fprintf(&text, "GET %s\n%d\n%s\n", path, status, body)
	}
	golden.Check(t, "testdata/answers.txt", []byte(text.String()))
}

func TestWhoIsNotAnswered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		method, host, path string
		want               int
	}{
		"localhost":                           {"GET", "localhost", "/members", 200},
		"an address of loopback":              {"GET", "127.0.0.1:15014", "/members", 200},
		"one of IPv6":                         {"GET", "[::1]:15014", "/members", 200},
		"another host's name":                 {"GET", "evil.example:15014", "/members", 403},
		"a name that begins like loopback":    {"GET", "127.0.0.1.evil.example", "/members", 403},
		"an address that is none of loopback": {"GET", "192.0.2.1:15014", "/members", 403},
		"no host":                             {"GET", "", "/members", 403},
		"a request that would change":         {"POST", "localhost", "/members", 405},
		"a path that is none":                 {"GET", "localhost", "/debug", 404},
		"a profile":                           {"GET", "localhost", "/debug/pprof/heap", 200},
		"a profile, of another host's name":   {"GET", "evil.example", "/debug/pprof/heap", 403},
		"what would name files of the host":   {"GET", "localhost", "/debug/pprof/cmdline", 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, body := ask(sources(), tc.method, tc.host, tc.path); got != tc.want {
				t.Errorf("got %d, want %d: %s", got, tc.want, body)
			}
		})
	}
}

func TestBeforeThereIsAView(t *testing.T) {
	t.Parallel()
	s := sources()
	s.View = func() (*model.View, bool) { return nil, false }
	if status, _ := ask(s, http.MethodGet, "localhost", "/view"); status != http.StatusServiceUnavailable {
		t.Errorf("got %d", status)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	failure := errors.New("not yet")
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "metrics") })
	handler := Health(func() error { return failure }, metrics)
	for _, tc := range []struct {
		path  string
		ready error
		want  string
	}{
		{"/healthz", failure, "200 ok"},
		{"/readyz", failure, "503 not yet"},
		{"/readyz", nil, "200 ok"},
		{"/metrics", nil, "200 metrics"},
	} {
		failure = tc.ready
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, tc.path, nil))
		if got := strings.TrimSpace(fmt.Sprint(answer.Code, " ", answer.Body)); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.path, got, tc.want)
		}
	}
}
