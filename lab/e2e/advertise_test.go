//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// natPort is the port on the outside of the NAT.
const natPort = 9443

// testAdvertise puts the gateway of c2 behind a real NAT: peers can dial it at
// an address which its Service knows nothing of, and not otherwise.
func testAdvertise(t *testing.T) {
	wantApart(t)
	for i := 1; i <= 2; i++ {
		defer installGatewayAPI(t, i)()
	}
	outside := natAddress()
	advertise := []string{"--advertise", fmt.Sprintf("c2=%s:%d", outside, natPort)}
	suite.state = unknown
	must(t, join([]string{"gateway", "--source-ranges", suite.lab.BridgeCIDR}, members(2), advertise)...)
	nat(t, outside)
	defer closeNAT(t, outside)
	firewall(t, 2, fmt.Sprintf("ip saddr != %s tcp dport 15443", cluster(3).NodeIP))
	defer closeFirewall(t, 2)

	r := must(t, join(upArgs(1, 2), []string{"-o", "json"}, advertise)...)
	upReport(t, r).wantMatrix(t, 2)
	sample(t)
	if label := gatewayLabel(t); label != "" {
		t.Errorf("the gateway's Service carries network %q: istiod would prefer it to the advertised address", label)
	}
	out := istioctl(t, 1, "", "proxy-config", "endpoints", "deployment/sleep.sample", "--cluster", "outbound|5000||helloworld.sample.svc.cluster.local")
	if !strings.Contains(out, fmt.Sprintf("%s:%d", outside, natPort)) {
		t.Errorf("no %s:%d among the endpoints\n%s", outside, natPort, out)
	}
	s, _ := status(t, 1, 2)
	if got := s.Members[1].Gateway; len(got) != 1 || got[0] != fmt.Sprintf("%s:%d", outside, natPort) {
		t.Errorf("status says that peers dial %q", got)
	}

	closeFirewall(t, 2)
	must(t, append(upArgs(1, 2), "--no-verify")...)
	suite.state = joinedTwo
	closeNAT(t, outside)
	whole(t)
	t.Run("a mesh that stands switches over", func(t *testing.T) { testSwitch(t, advertise, outside) })
	t.Run("not silently in vain", func(t *testing.T) { testLabelOfAnother(t, advertise) })
	t.Run("an agent restores what tells of it", testAddressesRestored)
}

// testSwitch advertises an address for a gateway that peers dial already: their
// istiods must let go of the Service's.
func testSwitch(t *testing.T, advertise []string, outside string) {
	must(t, join(upArgs(1, 2), []string{"--no-verify"}, advertise)...)
	want := fmt.Sprintf("%s:%d", outside, natPort)
	await(t, "c1 dials nothing but "+want, time.Minute, func(context.Context) error {
		out := istioctl(t, 1, "", "proxy-config", "endpoints", "deployment/sleep.sample", "--cluster", "outbound|5000||helloworld.sample.svc.cluster.local")
		if !strings.Contains(out, want) || strings.Contains(out, ":15443") {
			return fmt.Errorf("endpoints:\n%s", out)
		}
		return nil
	})
	must(t, append(upArgs(1, 2), "--no-verify")...)
	whole(t)
}

// testLabelOfAnother advertises an address for a gateway whose Service got its
// network label from kubectl, as the fix of a finding says. istiod would go on
// with the Service's address: the label must go, or up must say who owns it.
func testLabelOfAnother(t *testing.T, advertise []string) {
	labelGateway(t, cluster(2).Spec.Istio.Network)
	r := eastwest(t, join(upArgs(1, 2), []string{"--no-verify"}, advertise)...)
	switch label := gatewayLabel(t); {
	case r.exit == 0 && label != "":
		t.Errorf("up is content, but the gateway's Service still carries network %q\n%s", label, r)
	case r.exit != 0:
		r.wantExit(t, 4)
		r.wantErr(t, "topology.istio.io/network", gatewayName, "fix: ")
	}
	must(t, append(upArgs(1, 2), "--no-verify")...)
	whole(t)
}

// gatewayLabel is the network label of the Service of c2's gateway.
func gatewayLabel(t *testing.T) string {
	t.Helper()
	return kubectl(t, 2, "-n", "istio-system", "get", "service", gatewayName, "-o", `jsonpath={.metadata.labels.topology\.istio\.io/network}`)
}

// natAddress is an address on the bridge that no cluster has.
func natAddress() string {
	network := netip.MustParsePrefix(suite.lab.BridgeCIDR).Addr().As4()
	network[3] = 250
	return netip.AddrFrom4(network).String()
}

const natTable = "ip eastwest-e2e-nat"

// nat makes c3's node a NAT in front of the gateway of c2.
func nat(t *testing.T, outside string) {
	t.Helper()
	gateway := kubectl(t, 2, "-n", "istio-system", "get", "service", gatewayName, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
	inNetns(t, 3, "ip", "address", "replace", outside+"/32", "dev", "eth0")
	rules := fmt.Sprintf(`table %[1]s
delete table %[1]s
table %[1]s {
  chain in { type nat hook prerouting priority dstnat - 10; ip daddr %[2]s tcp dport %[3]d dnat to %[4]s:15443; }
  chain out { type nat hook postrouting priority srcnat - 10; ip daddr %[4]s tcp dport 15443 masquerade; }
}`, natTable, outside, natPort, gateway)
	ctx, cancel := bounded(t)
	defer cancel()
	if _, err := output(cluster(3).Command(ctx, "nft", "-f", "-"), rules); err != nil {
		t.Fatal(err)
	}
}

func closeNAT(t *testing.T, outside string) {
	t.Helper()
	inNetns(t, 3, "nft", fmt.Sprintf("table %[1]s; delete table %[1]s", natTable))
	inNetns(t, 3, "ip", "address", "flush", "to", outside+"/32")
}

// installGatewayAPI installs the CRDs of the Gateway API, by which istiod reads
// advertised addresses, from the module that the lab's Istio is built with.
func installGatewayAPI(t *testing.T, i int) (undo func()) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api")
	list.Dir = "../components/istio"
	module, err := output(list, "")
	if err != nil {
		t.Fatal(err)
	}
	crds := filepath.Join(strings.TrimSpace(module), "config", "crd", "standard")
	kubectl(t, i, "apply", "--server-side", "-f", crds)
	await(t, "istiod to see the Gateway API", time.Minute, func(ctx context.Context) error {
		_, err := try(ctx, i, "get", "gatewayclass", "istio-remote")
		return err
	})
	return func() { kubectl(t, i, "delete", "--ignore-not-found", "-f", crds) }
}
