//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/lab/internal/mesh"
)

// testBrownfield makes a mesh by hand, as the guide says. To the letter, with
// network "default" twice, it is refused; with a network name per cluster it is
// taken over without a second gateway, a second key or a failed request.
func testBrownfield(t *testing.T) {
	wantApart(t)
	before := snapAll(t)
	suite.state = unknown
	defer func() {
		for i := 1; i <= 2; i++ {
			restore(t, i, before[i-1])
		}
		suite.state = apart
	}()
	shareRoot(t)
	t.Run("to the letter", testLiteral)
	handMade(t, func(i int) string { return cluster(i).Spec.Istio.Network })
	whole(t)
	t.Run("taken over", testTakenOver)
}

func testLiteral(t *testing.T) {
	for i := 1; i <= 2; i++ {
		defer reinstall(t, i, func(wanted *mesh.Install) { wanted.Network = "default" })()
	}
	handMade(t, func(int) string { return "default" })
	defer func() {
		for i := 1; i <= 2; i++ { // its selector names the network and cannot change
			kubectl(t, i, "-n", "istio-system", "delete", "deployment", gatewayName)
		}
	}()
	for name, args := range map[string][]string{
		"up":          join([]string{"up", "--source-ranges", suite.lab.BridgeCIDR}, members(1, 2), images()),
		"create-mesh": createMesh([]int{1, 2}),
	} {
		t.Run(name, refusal{
			args: args, exit: 4, probes: true,
			says: []string{"SameNetwork", `"default"`, "values.global.network=net-", "topology.istio.io/network"},
		}.check)
	}
}

// testTakenOver runs up on a mesh made by hand, under traffic.
func testTakenOver(t *testing.T) {
	before := snapAll(t)
	probers := []*prober{probe(t, 1), probe(t, 2)}
	r := eastwest(t, join([]string{"up", "-o", "json", "--source-ranges", suite.lab.BridgeCIDR}, members(1, 2), images())...)
	for _, p := range probers {
		p.stop(t)
	}
	r.wantExit(t, 0)
	upReport(t, r).wantMatrix(t, 2)
	after := snapAll(t)
	for i := 1; i <= 2; i++ {
		for key, o := range before[i-1] {
			if diff := cmp.Diff(o, after[i-1][key]); diff != "" {
				t.Errorf("c%d: %s has changed (-before +after)\n%s", i, key, diff)
			}
		}
		wantOne(t, i, "gateway Service", "services", "-l", "topology.istio.io/network")
		wantOne(t, i, "exposure", "gateways.networking.istio.io")
		wantOne(t, i, "remote secret", "secrets", "-l", "istio/multiCluster=true")
		keys := kubectl(t, i, "-n", "istio-system", "get", "secrets", "-l", "istio/multiCluster=true",
			"-o", `go-template={{range .items}}{{range $key, $value := .data}}{{$key}} {{end}}{{end}}`)
		if want := fmt.Sprintf("c%d", 3-i); strings.TrimSpace(keys) != want {
			t.Errorf("remote keys of c%d are %q, want %q", i, keys, want)
		}
	}
	must(t, append(createMesh([]int{1, 2}), "--quiet")...)
}

// wantOne wants exactly one object of a sort in istio-system.
func wantOne(t *testing.T, i int, what string, args ...string) {
	t.Helper()
	got := strings.Fields(kubectl(t, i, append([]string{"-n", "istio-system", "get", "-o", "name"}, args...)...))
	if len(got) != 1 {
		t.Errorf("c%d has %d of %s, want one: %q", i, len(got), what, got)
	}
}

// handMade makes a mesh of c1 and c2 with the guide's commands; asmcli's part is
// done by istioctl. It may be called again with other networks.
func handMade(t *testing.T, network func(i int) string) {
	t.Helper()
	for i := 1; i <= 2; i++ {
		gateway := must(t, "gen-eastwest-gateway", "--mesh", "lab-mesh", "--cluster", fmt.Sprintf("c%d", i),
			"--network", network(i), "--revision", revision()).stdout
		istioctl(t, i, gateway, "install", "-y", "--set", "values.global.pilotCertProvider=istiod",
			"--set", "values.global.imagePullPolicy=IfNotPresent", "--readiness-timeout", "2m", "-f", "-")
		kubectl(t, i, "apply", "-n", "istio-system", "-f", "testdata/guide/expose-services.yaml")
		kubectl(t, i, "-n", "istio-system", "rollout", "restart", "deployment/"+gatewayName)
	}
	for i := 1; i <= 2; i++ {
		apply(t, i, istioctl(t, 3-i, "", "create-remote-secret", "--name", fmt.Sprintf("c%d", 3-i)))
		kubectl(t, i, "-n", "istio-system", "rollout", "status", "deployment/"+gatewayName, "--timeout=2m")
	}
	sample(t)
	for i := 1; i <= 2; i++ {
		kubectl(t, i, "-n", "sample", "rollout", "restart", "deployment")
		kubectl(t, i, "-n", "sample", "rollout", "status", "deployment", "--timeout=2m")
	}
}

// shareRoot gives c1 and c2 CAs below one root, by hand.
func shareRoot(t *testing.T) {
	t.Helper()
	root, err := mesh.SharedRoot(t.TempDir(), os.WriteFile)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 2; i++ {
		ca, err := mesh.NewCA(cluster(i).Name, root)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := ca.Secret()
		if err != nil {
			t.Fatal(err)
		}
		apply(t, i, secret)
		restartIstiod(t, i)
	}
}

// restore deletes from cluster i what was not there before, and lets istiod go
// back to its own CA.
func restore(t *testing.T, i int, before snapshot) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	kubectl(t, i, "delete", "namespace", "sample", "--ignore-not-found")
	now, err := snap(ctx, i)
	if err != nil {
		t.Fatal(err)
	}
	for key := range now {
		kind, name, _ := strings.Cut(key, " ")
		if _, ok := before[key]; ok || kind == "IPAddress" { // it goes with its Service
			continue
		}
		namespace, name, namespaced := strings.Cut(name, "/")
		args := []string{"delete", "--ignore-not-found", kind}
		if namespaced {
			args = append(args, name, "-n", namespace)
		} else {
			args = append(args, namespace)
		}
		kubectl(t, i, args...)
	}
	restartIstiod(t, i)
	wantSame(t, i, before)
}

func restartIstiod(t *testing.T, i int) {
	t.Helper()
	deployment := "deployment/istiod-" + revision()
	kubectl(t, i, "-n", mesh.Namespace, "rollout", "restart", deployment)
	kubectl(t, i, "-n", mesh.Namespace, "rollout", "status", deployment, "--timeout=2m")
}
