package kubeconfig

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
)

// fields are those of a cluster and a user that every policy accepts.
func fields(t testing.TB) (cluster, user map[string]any, ca pair) {
	t.Helper()
	ca = issue(t, nil)
	cluster = map[string]any{"server": "https://10.0.0.1:6443", "certificate-authority-data": ca.cert64()}
	return cluster, map[string]any{"token": "opaque-token"}, ca
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	cluster, user, ca := fields(t)
	client, old := issue(t, leaf), issue(t, expired)
	both := base64.StdEncoding.EncodeToString(concat(old.cert, ca.cert))
	for name, tc := range map[string]struct {
		cluster, user map[string]any
		policy        Policy
		check         func(*testing.T, *Cluster)
	}{
		"a token, for an agent": {cluster, user, Agent(), func(t *testing.T, c *Cluster) {
			if c.Config.BearerToken != "opaque-token" || c.Config.Host != "https://10.0.0.1:6443" || !bytes.Equal(c.CA, ca.cert) {
				t.Errorf("config %v", c.Config)
			}
			if c.Context != "east" || c.Namespace != "team" || c.UsesExec() || c.UsesProxy() {
				t.Errorf("cluster %+v", c)
			}
		}},
		"a JWT that is still valid": {cluster, with(user, "token", jwt(t, time.Now().Add(time.Hour))), Agent(), nil},
		"an inline client certificate": {cluster, map[string]any{
			"client-certificate-data": client.cert64(), "client-key-data": client.key64(),
		}, Agent(), func(t *testing.T, c *Cluster) {
			if !bytes.Equal(c.Config.CertData, client.cert) || !bytes.Equal(c.Config.KeyData, client.key) {
				t.Error("client certificate is not passed on")
			}
		}},
		"a bundle with an expired CA keeps the others": {
			with(cluster, "certificate-authority-data", both), user, Agent(),
			func(t *testing.T, c *Cluster) {
				if !bytes.Equal(c.CA, ca.cert) {
					t.Errorf("CA is\n%s", c.CA)
				}
			},
		},
		"a server with a path and a name": {
			with(with(cluster, "server", "https://rancher.example.com/k8s/clusters/c-1"), "tls-server-name", "kubernetes.default"), user, Agent(),
			func(t *testing.T, c *Cluster) {
				if c.Config.ServerName != "kubernetes.default" || c.TLSServerName != "kubernetes.default" {
					t.Errorf("config %v", c.Config)
				}
			},
		},
		"an IPv6 server":                     {with(cluster, "server", "https://[fd00::1]:6443"), user, Agent(), nil},
		"fields nobody knows":                {with(cluster, "colour", "blue"), with(user, "nested", map[string]any{"a": []int{1}}), Agent(), nil},
		"a proxy, for the command line":      {with(cluster, "proxy-url", "http://u:pw@proxy:3128"), user, CommandLine(true), wantProxy("http://u:xxxxx@proxy:3128")},
		"a proxy on the list, for an agent":  {with(cluster, "proxy-url", "http://proxy:3128"), user, Agent("http://proxy:3128"), wantProxy("http://proxy:3128")},
		"a credential plugin, for a command": {cluster, map[string]any{"exec": plugin(nil)}, CommandLine(true), wantExec("aws")},
		"a plugin of v1beta1 without a mode": {cluster, map[string]any{"exec": plugin(map[string]any{
			"apiVersion": "client.authentication.k8s.io/v1beta1", "interactiveMode": nil,
		})}, CommandLine(true), wantExec("aws")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(doc(t, tc.cluster, tc.user), "", tc.policy)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := kubernetes.NewForConfig(got.Config); err != nil {
				t.Errorf("no client can be made of it: %v", err)
			}
			if tc.check != nil {
				tc.check(t, got)
			}
		})
	}
}

// plugin is an exec entry; changes overwrite its fields, nil removes one.
func plugin(changes map[string]any) map[string]any {
	entry := map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "args": []string{"eks", "get-token"},
		"env": []any{map[string]any{"name": "AWS_PROFILE", "value": "p"}}, "interactiveMode": "Never", "installHint": "get \x1b[31maws",
	}
	for name, value := range changes {
		entry = with(entry, name, value)
	}
	return entry
}

func wantExec(command string) func(*testing.T, *Cluster) {
	return func(t *testing.T, c *Cluster) {
		t.Helper()
		p := c.Config.ExecProvider
		if c.ExecCommand != command || p == nil || p.Command != command || p.InteractiveMode == "" {
			t.Fatalf("plugin %q, %v", c.ExecCommand, p)
		}
		if len(p.Args) != 2 || len(p.Env) != 1 || strings.Contains(p.InstallHint, "\x1b") {
			t.Errorf("plugin %#v", p)
		}
	}
}

func wantProxy(url string) func(*testing.T, *Cluster) {
	return func(t *testing.T, c *Cluster) {
		t.Helper()
		if c.ProxyURL != url || c.Config.Proxy == nil {
			t.Fatalf("proxy %q", c.ProxyURL)
		}
		got, err := c.Config.Proxy(&http.Request{})
		if err != nil || got.Redacted() != url {
			t.Errorf("requests go through %v, %v", got, err)
		}
	}
}

// reading is one kubeconfig that must be rejected under a policy.
type reading struct {
	cluster, user map[string]any
	policy        Policy
	code, text    string
}

func rejectedClusters(t *testing.T) map[string]reading {
	t.Helper()
	cluster, user, ca := fields(t)
	agent, cli := Agent(), CommandLine(true)
	server := func(url string) map[string]any { return with(cluster, "server", url) }
	authority := func(p pair) map[string]any { return with(cluster, "certificate-authority-data", p.cert64()) }
	b64 := base64.StdEncoding.EncodeToString
	return map[string]reading{
		"K07 a CA path in an agent":         {with(with(cluster, "certificate-authority-data", nil), "certificate-authority", "/etc/ca.pem"), user, agent, CodePath, "certificate-authority is a path"},
		"K07 a CA twice":                    {with(cluster, "certificate-authority", "/etc/ca.pem"), user, cli, CodeInvalid, "are both set"},
		"K07 a CA path that does not exist": {with(with(cluster, "certificate-authority-data", nil), "certificate-authority", "/none/ca.pem"), user, cli, CodePath, "does not exist"},
		"K08 no verification":               {with(cluster, "insecure-skip-tls-verify", true), user, cli, CodeInsecure, "no override"},
		"K08 no verification, without a CA": {with(with(cluster, "insecure-skip-tls-verify", true), "certificate-authority-data", nil), user, cli, CodeInsecure, "insecure-skip-tls-verify"},
		"K09 a proxy in an agent":           {with(cluster, "proxy-url", "http://proxy:1"), user, agent, CodeProxy, "not on the list"},
		"K09 another proxy in an agent":     {with(cluster, "proxy-url", "http://proxy:2"), user, Agent("http://proxy:1"), CodeProxy, "not on the list"},
		"K09 a proxy with a user":           {with(cluster, "proxy-url", "http://u:p@proxy:1"), user, Agent("http://proxy:1"), CodeProxy, "not on the list"},
		"K09 a proxy of another kind":       {with(cluster, "proxy-url", "ftp://proxy:1"), user, cli, CodeProxy, "socks5"},
		"K09 a server name with a space":    {with(cluster, "tls-server-name", "a b"), user, cli, CodeInvalid, "tls-server-name"},
		"K09 a server name that is an IP":   {with(cluster, "tls-server-name", "10.0.0.1"), user, cli, CodeInvalid, "tls-server-name"},
		"K12 no CA":                         {with(cluster, "certificate-authority-data", nil), user, cli, CodeCA, "system roots are not used"},
		"K12 an empty CA":                   {with(cluster, "certificate-authority-data", b64([]byte("\n"))), user, cli, CodeCA, "has no certificate authority"},
		"K12 a CA that is not PEM":          {with(cluster, "certificate-authority-data", b64([]byte("x"))), user, agent, CodeCA, "not PEM"},
		"K12 a CA that is a key":            {with(cluster, "certificate-authority-data", b64(ca.key)), user, agent, CodeCA, "not PEM"},
		"K12 a CA that is garbage in PEM":   {with(cluster, "certificate-authority-data", b64([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))), user, agent, CodeCA, "cannot be parsed"},
		"K12 a CA that is not base64":       {with(cluster, "certificate-authority-data", "%%%"), user, agent, CodeInvalid, "base64"},
		"K12 an expired CA":                 {authority(issue(t, expired)), user, agent, CodeCA, "expired on"},
		"K12 a CA of tomorrow": {authority(issue(t, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
		})), user, agent, CodeCA, "clock"},
		"K12 a leaf as CA":                   {authority(issue(t, leaf)), user, agent, CodeCA, "not a CA certificate"},
		"K12 a CA that may not sign":         {authority(issue(t, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })), user, agent, CodeCA, "not a CA certificate"},
		"plain http":                         {server("http://10.0.0.1:6443"), user, cli, CodeInsecure, "plain http"},
		"no server":                          {with(cluster, "server", nil), user, cli, CodeInvalid, "no server"},
		"a server without a scheme":          {server("10.0.0.1:6443"), user, cli, CodeInvalid, "not a URL"},
		"a server name without a scheme":     {server("api.example.com"), user, cli, CodeInvalid, "not a URL"},
		"a server of another scheme":         {server("unix:///run/api.sock"), user, cli, CodeInvalid, "not an https URL"},
		"a server with a user":               {server("https://u:p@10.0.0.1"), user, cli, CodeInvalid, "user name or password"},
		"a server with a query":              {server("https://10.0.0.1/?a=b"), user, cli, CodeInvalid, "query"},
		"a server with a fragment":           {server("https://10.0.0.1/#a"), user, cli, CodeInvalid, "fragment"},
		"a server with a zone":               {server("https://[fe80::1%25eth0]:6443"), user, cli, CodeInvalid, "without zone"},
		"a server with port 0":               {server("https://10.0.0.1:0"), user, cli, CodeInvalid, "port"},
		"a server with port 65536":           {server("https://10.0.0.1:65536"), user, cli, CodeInvalid, "port"},
		"a server with a colon":              {server("https://10.0.0.1:"), user, cli, CodeInvalid, "colon"},
		"a server with an old IPv4 form":     {server("https://127.1:6443"), user, cli, CodeInvalid, "host of server"},
		"a server with a decimal address":    {server("https://2130706433"), user, cli, CodeInvalid, "host of server"},
		"a server with a host of bad bytes":  {server("https://a_b!:1"), user, cli, CodeInvalid, "host of server"},
		"a server with a host of 300 bytes":  {server("https://" + strings.Repeat("a.", 150) + "b"), user, cli, CodeInvalid, "host of server"},
		"a server with control characters":   {server("https://a\nb"), user, cli, CodeInvalid, "not a URL"},
		"a server that is a number":          {with(cluster, "server", 7), user, cli, CodeInvalid, "wrong type"},
		"a cluster that is a list of others": {map[string]any{}, user, cli, CodeInvalid, "no server"},
	}
}

func rejectedUsers(t *testing.T) map[string]reading {
	t.Helper()
	cluster, user, _ := fields(t)
	agent, cli := Agent(), CommandLine(true)
	one, other, old := issue(t, leaf), issue(t, leaf), issue(t, expired)
	token := func(value string) map[string]any { return with(user, "token", value) }
	client := func(cert, key string) map[string]any {
		return map[string]any{"client-certificate-data": cert, "client-key-data": key}
	}
	exec := func(changes map[string]any) map[string]any { return map[string]any{"exec": plugin(changes)} }
	return map[string]reading{
		"K05 a plugin in an agent":              {cluster, exec(nil), agent, CodeExec, "remote secret with a token"},
		"K05 a plugin beside a token":           {cluster, with(user, "exec", plugin(nil)), agent, CodeExec, "none may be started"},
		"K05 a plugin with --no-exec":           {cluster, exec(nil), CommandLine(false), CodeExec, "--no-exec"},
		"K05 a plugin without a command":        {cluster, exec(map[string]any{"command": ""}), cli, CodeInvalid, "no command"},
		"K05 a plugin of an old version":        {cluster, exec(map[string]any{"apiVersion": "client.authentication.k8s.io/v1alpha1"}), cli, CodeInvalid, "current version"},
		"K05 a plugin without a mode":           {cluster, exec(map[string]any{"interactiveMode": nil}), cli, CodeInvalid, "interactiveMode"},
		"K05 a plugin with a nameless variable": {cluster, exec(map[string]any{"env": []any{map[string]any{"value": "x"}}}), cli, CodeInvalid, "no name"},
		"K07 a token path in an agent":          {cluster, with(user, "tokenFile", "/etc/passwd"), agent, CodePath, "tokenFile is a path"},
		"K07 a certificate path in an agent":    {cluster, with(user, "client-certificate", "/etc/c.pem"), agent, CodePath, "client-certificate is a path"},
		"K07 a key path in an agent":            {cluster, with(user, "client-key", "/etc/k.pem"), agent, CodePath, "client-key is a path"},
		"K11 a password":                        {cluster, with(user, "password", "p"), cli, CodeAuthKind, "user name and password"},
		"K11 a user name":                       {cluster, with(user, "username", "u"), cli, CodeAuthKind, "user name and password"},
		"K11 impersonation":                     {cluster, with(user, "as", "admin"), cli, CodeAuthKind, "impersonation"},
		"K11 impersonation of a UID":            {cluster, with(user, "as-uid", "1"), agent, CodeAuthKind, "impersonation"},
		"K11 impersonation of groups":           {cluster, with(user, "as-groups", []string{"system:masters"}), agent, CodeAuthKind, "impersonation"},
		"K11 impersonation with extras":         {cluster, with(user, "as-user-extra", map[string]any{"a": []string{"b"}}), agent, CodeAuthKind, "impersonation"},
		"K11 an auth-provider":                  {cluster, map[string]any{"auth-provider": map[string]any{"name": "oidc"}}, cli, CodeAuthKind, "auth-provider"},
		"K13 no credential":                     {cluster, map[string]any{}, cli, CodeToken, "no token"},
		"K13 an empty token":                    {cluster, token(""), agent, CodeToken, "no token"},
		"K13 a token with a line break":         {cluster, token("a\n"), agent, CodeToken, "position 2 of 2"},
		"K13 a token with a space":              {cluster, token("a b"), agent, CodeToken, "one line"},
		"K13 a token with a NUL":                {cluster, token("a\x00b"), agent, CodeToken, "cannot be sent"},
		"K13 a token that is not ASCII":         {cluster, token("tökn"), agent, CodeToken, "cannot be sent"},
		"K13 an expired JWT":                    {cluster, token(jwt(t, time.Now().Add(-time.Minute))), agent, CodeToken, "expired at"},
		"K13 a JWT of 1969":                     {cluster, token(jwt(t, time.Unix(-5, 0))), agent, CodeToken, "expired at"},
		"a certificate without its key":         {cluster, client(one.cert64(), ""), agent, CodeInvalid, "together"},
		"a key without its certificate":         {cluster, client("", one.key64()), agent, CodeInvalid, "together"},
		"a key of another certificate":          {cluster, client(one.cert64(), other.key64()), agent, CodeInvalid, "belong together"},
		"an expired client certificate":         {cluster, client(old.cert64(), old.key64()), agent, CodeInvalid, "expired on"},
		"a token that is a list":                {cluster, with(user, "token", []string{"x"}), agent, CodeInvalid, "wrong type"},
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	for kind, table := range map[string]map[string]reading{"cluster": rejectedClusters(t), "user": rejectedUsers(t)} {
		for name, tc := range table {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				got, err := Parse(doc(t, tc.cluster, tc.user), "", tc.policy)
				if err == nil {
					t.Fatalf("accepted: %+v", got)
				}
				wantProblem(t, err, tc.code, tc.text)
				if tc.code != CodeInvalid || !strings.Contains(err.Error(), "wrong type") {
					if !strings.Contains(err.Error(), `context "east"`) && !strings.Contains(err.Error(), "base64") {
						t.Errorf("error names no context: %v", err)
					}
				}
			})
		}
	}
}

// TestUnusedEntriesAreIgnored: what the selected context does not use cannot
// make a file unusable, as in an operator's collection of many clusters.
func TestUnusedEntriesAreIgnored(t *testing.T) {
	t.Parallel()
	cluster, user, _ := fields(t)
	data := marshal(t, map[string]any{
		"current-context": "good",
		"clusters": []any{
			map[string]any{"name": "c", "cluster": cluster},
			map[string]any{"name": "bad", "cluster": map[string]any{"server": "http://x", "insecure-skip-tls-verify": true}},
		},
		"users":    []any{map[string]any{"name": "u", "user": user}, map[string]any{"name": "bad", "user": map[string]any{"exec": plugin(nil)}}},
		"contexts": contexts(map[string][2]string{"good": {"c", "u"}, "bad": {"bad", "bad"}}),
	})
	got, err := Parse(data, "", Agent())
	if err != nil || got.Context != "good" {
		t.Fatalf("got %+v, %v", got, err)
	}
	_, err = Parse(data, "bad", Agent())
	wantProblem(t, err, CodeInsecure, "insecure-skip-tls-verify")
}

// contexts are entries from name to cluster and user.
func contexts(table map[string][2]string) []any {
	var out []any
	for name, to := range table {
		out = append(out, map[string]any{"name": name, "context": map[string]any{"cluster": to[0], "user": to[1]}})
	}
	return out
}

func TestContextIsNeverGuessed(t *testing.T) {
	t.Parallel()
	cluster, user, _ := fields(t)
	many := map[string][2]string{}
	for i := range 30 {
		many[fmt.Sprintf("ctx-%02d", i)] = [2]string{"c", "u"}
	}
	one := map[string][2]string{"only": {"c", "u"}}
	for name, tc := range map[string]struct {
		contexts      map[string][2]string
		current, asks string
		code, text    string
	}{
		"the only one is taken":               {contexts: one},
		"K03 several and no current one":      {contexts: map[string][2]string{"b": {"c", "u"}, "a": {"c", "u"}}, code: CodeAmbiguous, text: `2 contexts: "a", "b"`},
		"K03 very many are cut":               {contexts: many, code: CodeAmbiguous, text: "and 10 more"},
		"no contexts":                         {code: CodeInvalid, text: "no contexts"},
		"K04 a current one that is missing":   {contexts: one, current: "other", code: CodeInvalid, text: `current-context "other" does not exist; there are: "only"`},
		"K04 an asked one that is missing":    {contexts: one, current: "only", asks: "other", code: CodeInvalid, text: `context "other" does not exist`},
		"K04 a cluster that is missing":       {contexts: map[string][2]string{"x": {"gone", "u"}}, code: CodeInvalid, text: `cluster "gone", which does not exist`},
		"K04 a user that is missing":          {contexts: map[string][2]string{"x": {"c", "gone"}}, code: CodeInvalid, text: `user "gone", which does not exist`},
		"K04 a context without a user":        {contexts: map[string][2]string{"x": {"c", ""}}, code: CodeInvalid, text: "names no user"},
		"a context name with escapes and 10k": {contexts: map[string][2]string{"\x1b[2J" + strings.Repeat("x", 10_000): {"gone", "u"}}, code: CodeInvalid, text: `\x1b[2J`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := marshal(t, map[string]any{
				"current-context": tc.current, "contexts": contexts(tc.contexts),
				"clusters": []any{map[string]any{"name": "c", "cluster": cluster}},
				"users":    []any{map[string]any{"name": "u", "user": user}},
			})
			_, err := Parse(data, tc.asks, Agent())
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantProblem(t, err, tc.code, tc.text)
			if len(err.Error()) > 2048 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
		})
	}
}
