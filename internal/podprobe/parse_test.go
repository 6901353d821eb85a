package podprobe

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	silent := Result{Reason: "the probe ended before it answered"}
	for name, tc := range map[string]struct {
		text    string
		targets int
		want    []Result // nil: an error
	}{
		"in any order":             {"result 1 7 curl: (7) refused\nresult 0 0 \n", 2, []Result{{OK: true, Connected: true}, {Reason: "the connection is refused or there is no route"}}},
		"between other words":      {"warning: x\nresult 0 0 \nbye\n", 1, []Result{{OK: true, Connected: true}}},
		"cut off":                  {"result 0 0 \nresu", 2, []Result{{OK: true, Connected: true}, silent}},
		"without words":            {"result 0 0\n", 1, []Result{{OK: true, Connected: true}}},
		"numbers out of range":     {"result 0 0\nresult 9 0\nresult -1 0\nresult x 0\n", 1, []Result{{OK: true, Connected: true}}},
		"no result at all":         {"sh: curl: not found\n", 1, nil},
		"nothing":                  {"", 1, nil},
		"a code that is no number": {"result 0 x y\nresult 1 0\n", 2, []Result{silent, {OK: true, Connected: true}}},
		"a result of another kind": {"resulting 0 0\n", 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse([]byte(tc.text), tc.targets)
			if diff := cmp.Diff(tc.want, got); diff != "" || (err == nil) != (tc.want != nil) {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
	_, err := parse([]byte(strings.Repeat("x", 1000)+"\nsecond"), 1)
	if err == nil || len(err.Error()) > 300 || strings.Contains(err.Error(), "second") {
		t.Errorf("the image's own words are cut to a line: %v", err)
	}
}

// TestReasons puts the exit codes of curl into words.
func TestReasons(t *testing.T) {
	t.Parallel()
	for code, tc := range map[int]struct {
		words, want string
		connected   bool
	}{
		0:   {"", "", true},
		6:   {"curl: (6) Could not resolve host: x", "its host name does not resolve there", false},
		7:   {"curl: (7) Failed to connect", "the connection is refused or there is no route", false},
		28:  {"curl: (28) Timeout", "it times out", false},
		35:  {"curl: (35) wrong version number", "curl: (35) wrong version number", true},
		51:  {"curl: (51) no match", "its certificate does not fit: no match", true},
		52:  {"curl: (52) Empty reply", "curl: (52) Empty reply", true},
		56:  {"curl: (56) reset", "curl: (56) reset", true},
		60:  {"curl: (60) self-signed", "its certificate does not fit: self-signed", true},
		127: {"sh: curl: not found", "the probe's image has no curl", false},
		3:   {"curl: (3) bad URL", "curl: (3) bad URL", false},
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			if got := Reason(code, tc.words); got != tc.want {
				t.Errorf("reason %q, want %q", got, tc.want)
			}
			if got := Connected(code); got != tc.connected {
				t.Errorf("connected %v, want %v", got, tc.connected)
			}
		})
	}
}

// TestDial turns an expected name into what curl connects to.
func TestDial(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		target         Target
		url, connectTo string
	}{
		"as it is":                 {Target{URL: "https://203.0.113.7:6443/version"}, "https://203.0.113.7:6443/version", ""},
		"another name":             {Target{URL: "https://203.0.113.7:6443/version", ServerName: "api.x"}, "https://api.x:6443/version", "api.x:6443:203.0.113.7:6443"},
		"the usual port":           {Target{URL: "https://lb.example/version", ServerName: "api.x"}, "https://api.x:443/version", "api.x:443:lb.example:443"},
		"IPv6":                     {Target{URL: "https://[2001:db8::1]:6443/v", ServerName: "api.x"}, "https://api.x:6443/v", "api.x:6443:[2001:db8::1]:6443"},
		"IPv6 on the usual port":   {Target{URL: "https://[2001:db8::1]/v", ServerName: "api.x"}, "https://api.x:443/v", "api.x:443:[2001:db8::1]:443"},
		"without a path":           {Target{URL: "https://a:1", ServerName: "api.x"}, "https://api.x:1/", "api.x:1:a:1"},
		"a name is of TLS only":    {Target{URL: "http://a:1/", ServerName: "api.x"}, "http://a:1/", ""},
		"the path may hold colons": {Target{URL: "https://a/x:1", ServerName: "api.x"}, "https://api.x:443/x:1", "api.x:443:a:443"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if url, connectTo := dial(tc.target); url != tc.url || connectTo != tc.connectTo {
				t.Errorf("got %q, %q; want %q, %q", url, connectTo, tc.url, tc.connectTo)
			}
		})
	}
}
