package plan

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClusterOfTheDefaultLab(t *testing.T) {
	t.Parallel()
	c := Lab{Name: "lab"}.Cluster(2)
	got := []string{
		c.Name(), c.ID(), c.Context(), c.Netns(), c.Veth(), c.Lab.Bridge(), c.NodeName(), c.NodeIP(), c.Server(),
		c.PodCIDR(), c.NodePodCIDR(), c.ServiceCIDR(), c.APIServiceIP(), c.DNSIP(), c.LBRange(), c.Region(), c.Zone(),
		c.Cgroup(), c.RunDir(), c.Kubeconfig(),
	}
	want := []string{
		"c2", "lab-c2", "c2", "c2", "vc2", "br-lab", "node-2", "172.30.0.12", "https://172.30.0.12:6443",
		"10.21.0.0/16", "10.21.0.0/24", "10.20.0.0/16", "10.20.0.1", "10.20.0.10", "172.30.0.112/28", "region-2", "region-2-a",
		"/lab-c2", "/run/lab-c2", "/var/lib/eastwest-lab/lab/c2/kubeconfig",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan of c2 (-want +got):\n%s", diff)
	}
}

func TestSameCIDRs(t *testing.T) {
	t.Parallel()
	l := Lab{Name: "lab", SameCIDRs: true}
	if a, b := l.Cluster(1), l.Cluster(3); a.PodCIDR() != b.PodCIDR() || a.DNSIP() != b.DNSIP() || a.NodeIP() == b.NodeIP() {
		t.Errorf("pods %s and %s, DNS %s and %s: want them equal; nodes %s and %s: want them apart",
			a.PodCIDR(), b.PodCIDR(), a.DNSIP(), b.DNSIP(), a.NodeIP(), b.NodeIP())
	}
}

// Two labs on one host, and the clusters of each, must not share anything.
func TestNamesAndAddressesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	claim := func(kind, value, owner string) {
		if other, taken := seen[kind+" "+value]; taken {
			t.Errorf("%s %s belongs to %s and to %s", kind, value, other, owner)
		}
		seen[kind+" "+value] = owner
	}
	for subnet, name := range []string{"lab", "e2e", "c1", "labc1", "abcdef"} {
		l := Lab{Name: name, Subnet: subnet}
		claim("link", l.Bridge(), name)
		for _, c := range l.All() {
			claim("link", c.Veth(), c.ID())
			claim("netns", c.Netns(), c.ID())
			claim("cgroup", c.Cgroup(), c.ID())
			claim("directory", c.Dir(), c.ID())
			claim("directory", c.RunDir(), c.ID())
			claim("address", c.NodeIP(), c.ID())
			prefix := netip.MustParsePrefix(c.LBRange())
			if prefix != prefix.Masked() {
				t.Errorf("range %s of %s does not begin where it says", prefix, c.ID())
			}
			for addr := prefix.Addr(); prefix.Contains(addr); addr = addr.Next() {
				claim("address", addr.String(), c.ID())
			}
			if len(c.Veth()) > 15 || len(l.Bridge()) > 15 {
				t.Errorf("links %s and %s: the kernel takes 15 bytes", c.Veth(), l.Bridge())
			}
		}
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{"lab": true, "e2e": true, "a": true, "abcdef": true, "": false, "abcdefg": false, "1a": false, "A": false, "a-b": false, "../x": false} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v, want ok %t", name, err, ok)
		}
	}
}
