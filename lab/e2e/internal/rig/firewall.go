package rig

import (
	"fmt"
	"testing"
	"time"
)

// firewallTable is the suites' own table in a cluster's network namespace.
const firewallTable = "inet eastwest-e2e"

// Drop drops what matches the rule when it comes to cluster i from outside,
// packets of connections that stand included.
func (r *Rig) Drop(t *testing.T, i int, match string) {
	t.Helper()
	r.rules(t, i, fmt.Sprintf(`chain in { type filter hook prerouting priority -400; iifname "eth0" %s drop; }`, match))
}

// Isolate drops all that comes to cluster i from outside, and all that it sends
// there.
func (r *Rig) Isolate(t *testing.T, i int) {
	t.Helper()
	r.rules(t, i, `chain in { type filter hook prerouting priority -400; iifname "eth0" drop; }
  chain out { type filter hook postrouting priority -400; oifname "eth0" drop; }`)
}

// Rejoin takes the rules away; where there are none it is fine.
func (r *Rig) Rejoin(t *testing.T, i int) {
	t.Helper()
	r.nft(t, i, fmt.Sprintf("table %[1]s\ndelete table %[1]s\n", firewallTable))
}

// rules replaces those that there are.
func (r *Rig) rules(t *testing.T, i int, chains string) {
	t.Helper()
	r.nft(t, i, fmt.Sprintf("table %[1]s\ndelete table %[1]s\ntable %[1]s {\n  %[2]s\n}", firewallTable, chains))
}

func (r *Rig) nft(t *testing.T, i int, rules string) {
	t.Helper()
	ctx, cancel := Bounded(t, time.Minute)
	defer cancel()
	if _, err := Output(r.Cluster(i).Command(ctx, "nft", "-f", "-"), rules); err != nil {
		t.Fatal(err)
	}
}
