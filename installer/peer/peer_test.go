package peer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestSecretName(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ id, want string }{
		"istioctl's name":            {"cn-p-global-east", "istio-remote-secret-cn-p-global-east"},
		"dots are fine":              {"east.example", "istio-remote-secret-east.example"},
		"istiod's default ID":        {"Kubernetes", "istio-remote-secret-member"},
		"underscores":                {"gke_p_l_east", "istio-remote-secret-member"},
		"a dash at the end":          {"east-", "istio-remote-secret-member"},
		"too long for an object":     {strings.Repeat("a", 240), "istio-remote-secret-member"},
		"just as long as allowed":    {strings.Repeat("a", 233), "istio-remote-secret-" + strings.Repeat("a", 233)},
		"an ID that leaves the name": {"../x", "istio-remote-secret-member"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := SecretName(tc.id, "member"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestRules holds the role to the environment of the istiod it is for.
func TestRules(t *testing.T) {
	t.Parallel()
	role, err := Rules(Reader{Member: "west", Version: "1.31.1", MeshConfigMap: "istio"}, false)
	if err != nil || !role.ReadsSecrets {
		t.Fatalf("a default istiod reads Secrets, and the role must say so: %v, %v", role.ReadsSecrets, err)
	}
	for _, rules := range [][]string{verbs(role)} {
		if diff := cmp.Diff([]string{"get", "list", "watch"}, rules); diff != "" {
			t.Errorf("an istiod only reads (-want +got)\n%s", diff)
		}
	}
	for _, rule := range role.ClusterWide {
		for _, resource := range rule.Resources {
			if strings.Contains(resource, "*") || resource == "configmaps" {
				t.Errorf("%v is more than an istiod lists", rule)
			}
		}
	}
	if names := role.InIstioNamespace[0].ResourceNames; len(role.InIstioNamespace) != 1 || len(names) != 1 || names[0] != "istio" {
		t.Errorf("one ConfigMap by name, got %v", role.InIstioNamespace)
	}

	_, err = Rules(Reader{Member: "west", Version: "1.31.1"}, true)
	all := problem.All(err)
	if len(all) != 1 || all[0].Kind != problem.Refused || all[0].Code != "SecretReadNeeded" || all[0].Cluster != "west" {
		t.Errorf("without Secrets it never syncs, which is refused: got %v", err)
	}
}

// verbs lists the different verbs of a role, in the order of their first rule.
func verbs(role Role) []string {
	var out []string
	seen := map[string]bool{}
	for _, rule := range append(role.ClusterWide, role.InIstioNamespace...) {
		for _, verb := range rule.Verbs {
			if !seen[verb] {
				seen[verb] = true
				out = append(out, verb)
			}
		}
	}
	return out
}

// TestUsable is C09: what is judged is the address to be written.
func TestUsable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		server     string
		allowLocal bool
		reason     string // empty: it is worth a probe
	}{
		"an address":               {"https://203.0.113.7:6443", false, ""},
		"a name":                   {"https://api.example.com", false, ""},
		"IPv6":                     {"https://[2001:db8::1]:6443", false, ""},
		"loopback":                 {"https://127.0.0.1:6443", false, "it is a loopback address"},
		"another loopback":         {"https://127.8.9.1", false, "it is a loopback address"},
		"localhost":                {"https://localhost:6443", false, "it is a loopback address"},
		"a name of localhost":      {"https://api.localhost:6443", false, "it is a loopback address"},
		"loopback of IPv6":         {"https://[::1]:6443", false, "it is a loopback address"},
		"loopback, mapped":         {"https://[::ffff:127.0.0.1]:6443", false, "it is a loopback address"},
		"every address":            {"https://0.0.0.0:6443", false, "it is a loopback address"},
		"loopback that is allowed": {"https://127.0.0.1:6443", true, ""},
		"plain http":               {"http://203.0.113.7:8080", false, "it is no https URL"},
		"no scheme":                {"203.0.113.7:6443", false, "it is no https URL"},
		"no host":                  {"https://", false, "it is no https URL"},
		"nothing":                  {"", false, "it is no https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			usable, refused := Usable([]Address{{Server: tc.server, Source: "test"}}, tc.allowLocal)
			switch {
			case tc.reason == "" && (len(usable) != 1 || len(refused) != 0):
				t.Errorf("refused: %v", refused)
			case tc.reason != "" && (len(usable) != 0 || len(refused) != 1 || refused[0].Reason != tc.reason):
				t.Errorf("got %v, refused %v, want %q", usable, refused, tc.reason)
			}
		})
	}
}

// TestUsableTriesEachOnce keeps the order, and an address once per authority.
func TestUsableTriesEachOnce(t *testing.T) {
	t.Parallel()
	a, b := Address{Server: "https://a", Source: "--server"}, Address{Server: "https://b", CA: []byte("1")}
	again, other := Address{Server: "https://a", Source: "kubeconfig"}, Address{Server: "https://b", CA: []byte("2")}
	usable, refused := Usable([]Address{b, a, again, other, b}, false)
	if diff := cmp.Diff([]Address{b, a, other}, usable); diff != "" || len(refused) > 0 {
		t.Errorf("refused %v (-want +got)\n%s", refused, diff)
	}
	target := Address{Server: "https://a:1", CA: []byte("ca"), TLSServerName: "api"}.Target()
	if target.URL != "https://a:1/version" || string(target.CA) != "ca" || target.ServerName != "api" {
		t.Errorf("got %+v", target)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	if a, again, b := Hash([]byte("a")), Hash([]byte("a")), Hash([]byte("b")); a != again || a == b || len(a) != 12 {
		t.Errorf("got %q, %q, %q", a, again, b)
	}
}

// TestSetNames holds the names by which leave finds what belongs to a link.
func TestSetNames(t *testing.T) {
	t.Parallel()
	account := Account{Consumer: "west"}
	if account.Set() != "account-west" || AccountSet("west") != account.Set() || RemoteSet("east") != "remote-east" ||
		account.ServiceAccount() != "istiod-west" || account.TokenSecret() != "istiod-west-token" {
		t.Errorf("got %s %s %s %s", account.Set(), RemoteSet("east"), account.ServiceAccount(), account.TokenSecret())
	}
}
