package kubeconfig

import (
	"testing"

	"k8s.io/client-go/kubernetes"
)

// FuzzParse: whatever the bytes, no panic, and what an agent's policy lets
// through starts no process, names no file and can make a client.
func FuzzParse(f *testing.F) {
	cluster, user, _ := fields(f)
	client := issue(f, leaf)
	f.Add(doc(f, cluster, user), "")
	f.Add(doc(f, cluster, map[string]any{"exec": plugin(nil)}), "east")
	f.Add(doc(f, cluster, map[string]any{"client-certificate-data": client.cert64(), "client-key-data": client.key64()}), "x")
	f.Add(doc(f, with(cluster, "proxy-url", "socks5://p:1"), with(user, "tokenFile", "/dev/zero")), "")
	f.Add([]byte(bomb(5)), "")
	f.Add([]byte("a: &a [*a]"), "")
	f.Add([]byte("users: [{name: u, user: {token: !!binary aGk=}}]\n---\na: b"), "")
	f.Fuzz(func(t *testing.T, data []byte, context string) {
		for _, policy := range []Policy{Agent(), {Exec: true, AnyProxy: true}} {
			got, err := Parse(data, context, policy)
			if (err == nil) == (got == nil) {
				t.Fatalf("got %v and %v", got, err)
			}
			if err != nil {
				wantInput(t, err)
				continue
			}
			c := got.Config
			if c.BearerTokenFile+c.CertFile+c.KeyFile+c.CAFile != "" || c.Insecure || len(c.CAData) == 0 {
				t.Fatalf("config %v", c)
			}
			if !policy.Exec && (c.ExecProvider != nil || c.Proxy != nil) {
				t.Fatalf("config %v", c)
			}
			if _, err := kubernetes.NewForConfig(c); err != nil {
				t.Fatalf("no client: %v", err)
			}
		}
	})
}

// FuzzParseRef: what parses is printed in a form that parses to the same.
func FuzzParseRef(f *testing.F) {
	for _, arg := range []string{"a", "n=p#c", "./a=b##c#d=e", "#", "=", "a###"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		ref, err := ParseRef(arg)
		if err != nil {
			wantInput(t, err)
			return
		}
		again, err := ParseRef(ref.String())
		if err != nil || again != ref {
			t.Fatalf("%q gives %+v, printed %q, which gives %+v, %v", arg, ref, ref.String(), again, err)
		}
	})
}
