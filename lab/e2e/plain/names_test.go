//go:build e2e

package plain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// caller is a pod that has nothing but what its cluster gives it.
const caller = `
apiVersion: v1
kind: Pod
metadata: {name: caller, namespace: named}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: caller, image: lab.local/sleep:lab, command: [/bin/sleep, infinity]}]
`

// dnsRows is what is read of the members' own DNS.
type dnsRows struct {
	DNS []struct {
		Cluster, State, Answer, Hop string
		Places                      []string
	}
}

// wantPointed wants the DNS of both clusters to lead to their agents.
func (d dnsRows) wantPointed(t *testing.T, answer string) {
	t.Helper()
	if len(d.DNS) != 2 {
		t.Fatalf("DNS %+v", d.DNS)
	}
	for _, one := range d.DNS {
		if one.State != "pointed" || one.Answer != answer || one.Hop != "" || len(one.Places) != 1 {
			t.Errorf("DNS %+v", one)
		}
	}
}

// testPlainNames calls from a pod of c1 what c2 exports, by its name, which the cluster's
// own CoreDNS knows by then.
func testPlainNames(t *testing.T) {
	suite.Each(func(i int) { suite.Kubectl(t, i, "create", "namespace", "named") })
	defer suite.Each(func(i int) { suite.Kubectl(t, i, "delete", "namespace", "named") })
	suite.Apply(t, 2, rig.Exported("named", 1))
	suite.Apply(t, 1, caller)
	suite.Kubectl(t, 2, "-n", "named", "rollout", "status", "deployment/hello", "--timeout=90s")
	suite.Kubectl(t, 1, "-n", "named", "wait", "--for=condition=Ready", "pod/caller", "--timeout=90s")
	took := rig.Await(t, "c1 calls c2 by name", time.Minute, func(ctx context.Context) error {
		out, err := suite.Try(ctx, 1, "-n", "named", "exec", "caller", "--", "curl", "-sS", "-m", "5", "http://hello.named.svc.clusterset.local/hello")
		if err == nil && !strings.HasPrefix(out, "Hello version: ") {
			err = fmt.Errorf("answer %q", out)
		}
		return err
	})
	t.Logf("called by name after %s", took.Round(time.Millisecond))
	if out := suite.Kubectl(t, 1, "-n", "named", "exec", "caller", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-k", "https://kubernetes.default.svc.cluster.local/healthz"); out == "000" {
		t.Error("the names of cluster.local are not known any more")
	}
}

// testPlainOwnDNS: a Corefile is its owner's. What he writes there stays, what is ours
// comes back where he took it out, and goes where it is not wanted.
func testPlainOwnDNS(t *testing.T) {
	const mark = "# of our own, and without an end"
	before := suite.baseline[0]["ConfigMap kube-system/coredns"]["data"].(map[string]any)["Corefile"].(string)
	pointed := corefileOf(t)
	write := func(text string) {
		t.Helper()
		suite.Kubectl(t, 1, "-n", "kube-system", "patch", "configmap", "coredns", "--type=json", "-p",
			fmt.Sprintf(`[{"op": "replace", "path": "/data/Corefile", "value": %q}]`, text))
	}
	defer func() { write(pointed) }()
	for _, step := range []struct {
		name, dns, have, want string
	}{
		{"an edit stays", "auto", pointed + mark, pointed + mark},
		{"and is all that is left without ours", "off", pointed + mark, before + mark},
		{"nothing is written by hand", "manual", before + mark, before + mark},
		{"ours is given back", "off", strings.Replace(pointed, before, mark+"\n"+before, 1), mark + "\n" + before},
		{"ours comes back", "auto", before, ""},
	} {
		write(step.have)
		suite.Run(t, 0, up("--no-verify", "--dns", step.dns)...)
		got := corefileOf(t)
		if step.want == "" {
			pointed = got // the agent's Service has another address by now
			continue
		}
		if got != step.want {
			t.Errorf("%s: the Corefile is %q, want %q", step.name, got, step.want)
		}
	}
	if !strings.HasPrefix(pointed, before) || !strings.Contains(pointed, "clusterset.local:53") {
		t.Errorf("ours did not come back: %q", pointed)
	}
	write(pointed + "clusterset.local:53 {\n}\n")
	r := suite.Run(t, 0, slices.Concat([]string{"doctor"}, suite.Members())...)
	if !strings.Contains(r.Stdout, "ClusterDNS [c1]") || !strings.Contains(r.Stdout, "that is not ours") {
		t.Errorf("doctor does not see that there are two of them\n%s", r)
	}
}

// corefileOf reads the Corefile of c1.
func corefileOf(t *testing.T) string {
	t.Helper()
	return suite.Kubectl(t, 1, "-n", "kube-system", "get", "configmap", "coredns", "-o", "jsonpath={.data.Corefile}")
}
