//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

// firewallTable is the suite's own table in a cluster's network namespace.
const firewallTable = "inet eastwest-e2e"

// firewall drops what matches the rule when it comes to cluster i from outside,
// packets of connections that stand included.
func firewall(t *testing.T, i int, match string) {
	t.Helper()
	rules := fmt.Sprintf(`table %[1]s
delete table %[1]s
table %[1]s {
  chain in { type filter hook prerouting priority -400; iifname "eth0" %[2]s drop; }
}`, firewallTable, match)
	ctx, cancel := bounded(t)
	defer cancel()
	if _, err := output(cluster(i).Command(ctx, "nft", "-f", "-"), rules); err != nil {
		t.Fatal(err)
	}
}

// dropForwarded drops what matches the rule when pods of cluster i send it out,
// before their addresses are hidden behind the node's.
func dropForwarded(t *testing.T, i int, match string) {
	t.Helper()
	rules := fmt.Sprintf(`table %[1]s
delete table %[1]s
table %[1]s {
  chain out { type filter hook prerouting priority -400; iifname != "eth0" %[2]s drop; }
}`, firewallTable, match)
	ctx, cancel := bounded(t)
	defer cancel()
	if _, err := output(cluster(i).Command(ctx, "nft", "-f", "-"), rules); err != nil {
		t.Fatal(err)
	}
}

// closeFirewall takes the rules away.
func closeFirewall(t *testing.T, i int) {
	t.Helper()
	inNetns(t, i, "nft", fmt.Sprintf("table %[1]s; delete table %[1]s", firewallTable))
}
