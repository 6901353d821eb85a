//go:build e2e

package differential

import (
	"strings"
	"testing"
)

// step is a change and what both servers must then tell of the case's services.
type step struct {
	change func(t *testing.T, c1, c2 at)
	want   told
}

// equal are the cases that both must see alike. A case is named by what is in the
// clusters; its services, in front of the steps, are of no other case.
//
// Not compared is where an endpoint is: istiod reads it from the node of the pod, the
// agent from the slice, so that they agree only where a controller wrote both. Whether
// a service is exported is not, either: istiod takes all there are, and the agents are
// told to; ServiceExports are ours alone.
var equal = map[string]struct {
	services string
	steps    []step
}{
	"a service in both clusters": {"both", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "both", words("http:80"))
		c2.service(t, "both", words("http:80"))
		c1.slice(t, "both-a", words("http:8080"), "10.1.1.1", "10.1.1.2")
		c2.slice(t, "both-a", words("http:8080"), "10.2.1.1", "10.2.1.2")
	}, told{{"both:80": "10.1.1.1:8080 10.1.1.2:8080 c2=2"}, {"both:80": "10.2.1.1:8080 10.2.1.2:8080 c1=2"}}}}},

	"a service in one cluster only": {"one", []step{{func(t *testing.T, c1, _ at) {
		c1.service(t, "one", words("http:80"))
		c1.slice(t, "one-a", words("http:8080"), "10.1.2.1", "10.1.2.2")
	}, told{{"one:80": "10.1.2.1:8080 10.1.2.2:8080"}, {"one:80": "c1"}}}}},

	"scaled to 3:1, then to 1:2": {"scaled", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "scaled", words("http:80"))
		c2.service(t, "scaled", words("http:80"))
		c1.slice(t, "scaled-a", words("http:8080"), "10.1.3.1", "10.1.3.2", "10.1.3.3")
		c2.slice(t, "scaled-a", words("http:8080"), "10.2.3.1")
	}, told{{"scaled:80": "10.1.3.1:8080 10.1.3.2:8080 10.1.3.3:8080 c2"}, {"scaled:80": "10.2.3.1:8080 c1=3"}}}, {func(t *testing.T, c1, c2 at) {
		c1.slice(t, "scaled-a", words("http:8080"), "10.1.3.2")
		c2.slice(t, "scaled-a", words("http:8080"), "10.2.3.1", "10.2.3.4")
	}, told{{"scaled:80": "10.1.3.2:8080 c2=2"}, {"scaled:80": "10.2.3.1:8080 10.2.3.4:8080 c1"}}}}},

	"readiness goes and comes": {"ready", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "ready", words("http:80"))
		c2.service(t, "ready", words("http:80"))
		c1.slice(t, "ready-a", words("http:8080"), "10.1.4.1,ready", "10.1.4.2,unready")
		c2.slice(t, "ready-a", words("http:8080"), "10.2.4.1,ready", "10.2.4.2,ready")
	}, told{{"ready:80": "10.1.4.1:8080 c2=2"}, {"ready:80": "10.2.4.1:8080 10.2.4.2:8080 c1"}}}, {func(t *testing.T, c1, c2 at) {
		c1.slice(t, "ready-a", words("http:8080"), "10.1.4.1,unready", "10.1.4.2,unready")
		c2.slice(t, "ready-a", words("http:8080"), "10.2.4.1,unready", "10.2.4.2,ready")
	}, told{{"ready:80": "c2"}, {"ready:80": "10.2.4.2:8080"}}}, {func(t *testing.T, c1, c2 at) {
		c1.slice(t, "ready-a", words("http:8080"), "10.1.4.1,ready", "10.1.4.2,ready")
		c2.slice(t, "ready-a", words("http:8080"), "10.2.4.1,unready", "10.2.4.2,unready")
	}, told{{"ready:80": "10.1.4.1:8080 10.1.4.2:8080"}, {"ready:80": "c1"}}}}},

	"a named port with another number in each slice": {"named", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "named", words("http:80"))
		c2.service(t, "named", words("http:80"))
		c1.slice(t, "named-a", words("http:8080"), "10.1.5.1")
		c1.slice(t, "named-b", words("http:9090"), "10.1.5.2")
		c2.slice(t, "named-a", words("http:7070"), "10.2.5.1")
	}, told{{"named:80": "10.1.5.1:8080 10.1.5.2:9090 c2"}, {"named:80": "10.2.5.1:7070 c1=2"}}}}},

	"several ports, one of which not every slice has": {"several", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "several", words("http:80 admin:81"))
		c2.service(t, "several", words("http:80 admin:81"))
		c1.slice(t, "several-a", words("http:8080 admin:8081"), "10.1.6.1")
		c1.slice(t, "several-b", words("http:8080"), "10.1.6.2")
		c2.slice(t, "several-a", words("http:8080 admin:8081"), "10.2.6.1", "10.2.6.2")
	}, told{
		{"several:80": "10.1.6.1:8080 10.1.6.2:8080 c2=2", "several:81": "10.1.6.1:8081 c2=2"},
		{"several:80": "10.2.6.1:8080 10.2.6.2:8080 c1=2", "several:81": "10.2.6.1:8081 10.2.6.2:8081 c1"},
	}}}},

	"a port without a name": {"unnamed", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "unnamed", words(":80"))
		c2.service(t, "unnamed", words(":80"))
		c1.slice(t, "unnamed-a", words(":8080"), "10.1.7.1")
		c2.slice(t, "unnamed-a", words(":8080"), "10.2.7.1")
	}, told{{"unnamed:80": "10.1.7.1:8080 c2"}, {"unnamed:80": "10.2.7.1:8080 c1"}}}}},

	"endpoints come and go": {"empty", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "empty", words("http:80"))
		c2.service(t, "empty", words("http:80"))
		c1.slice(t, "empty-a", words("http:8080"))
	}, told{{}, {}}}, {func(t *testing.T, c1, c2 at) {
		c1.slice(t, "empty-a", words("http:8080"), "10.1.8.1")
		c2.slice(t, "empty-a", words("http:8080"), "10.2.8.1")
	}, told{{"empty:80": "10.1.8.1:8080 c2"}, {"empty:80": "10.2.8.1:8080 c1"}}}, {func(t *testing.T, c1, c2 at) {
		c1.deleteSlice(t, "empty-a")
		c2.slice(t, "empty-a", words("http:8080"))
	}, told{{}, {}}}}},

	"endpoints that are about to end": {"ending", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "ending", words("http:80"))
		c2.service(t, "ending", words("http:80"))
		c1.slice(t, "ending-a", words("http:8080"), "10.1.9.1,ready", "10.1.9.2,draining", "10.1.9.3,ending")
		c2.slice(t, "ending-a", words("http:8080"), "10.2.9.1,draining", "10.2.9.2,ready", "10.2.9.3,ready")
	}, told{{"ending:80": "10.1.9.1:8080 c2=2"}, {"ending:80": "10.2.9.2:8080 10.2.9.3:8080 c1"}}}}},

	"an address in two slices counts once": {"twice", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "twice", words("http:80"))
		c2.service(t, "twice", words("http:80"))
		c1.slice(t, "twice-a", words("http:8080"), "10.1.10.1", "10.1.10.2")
		c1.slice(t, "twice-b", words("http:8080"), "10.1.10.2", "10.1.10.3")
		c2.slice(t, "twice-a", words("http:8080"), "10.2.10.1", "10.2.10.2")
		c2.slice(t, "twice-b", words("http:8080"), "10.2.10.1", "10.2.10.2")
	}, told{
		{"twice:80": "10.1.10.1:8080 10.1.10.2:8080 10.1.10.3:8080 c2=2"}, {"twice:80": "10.2.10.1:8080 10.2.10.2:8080 c1=3"},
	}}, {func(t *testing.T, c1, c2 at) {
		c1.deleteSlice(t, "twice-a")
		c2.deleteSlice(t, "twice-b")
	}, told{{"twice:80": "10.1.10.2:8080 10.1.10.3:8080 c2=2"}, {"twice:80": "10.2.10.1:8080 10.2.10.2:8080 c1=2"}}}}},

	"a Service is deleted and made again": {"again", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "again", words("http:80"))
		c2.service(t, "again", words("http:80"))
		c1.slice(t, "again-a", words("http:8080"), "10.1.11.1")
		c2.slice(t, "again-a", words("http:8080"), "10.2.11.1")
	}, told{{"again:80": "10.1.11.1:8080 c2"}, {"again:80": "10.2.11.1:8080 c1"}}}, {func(t *testing.T, c1, _ at) {
		c1.deleteService(t, "again")
	}, told{{"again:80": "c2"}, {"again:80": "10.2.11.1:8080"}}}, {func(t *testing.T, _, c2 at) {
		c2.deleteService(t, "again")
	}, told{{}, {}}}, {func(t *testing.T, c1, c2 at) {
		c1.service(t, "again", words("http:80"))
		c2.service(t, "again", words("http:80"))
	}, told{{"again:80": "10.1.11.1:8080 c2"}, {"again:80": "10.2.11.1:8080 c1"}}}}},

	"slices that are there before their Service": {"early", []step{{func(t *testing.T, c1, c2 at) {
		c1.slice(t, "early-a", words("http:8080"), "10.1.12.1")
		c2.slice(t, "early-a", words("http:8080"), "10.2.12.1")
	}, told{{}, {}}}, {func(t *testing.T, c1, c2 at) {
		c1.service(t, "early", words("http:80"))
		c2.service(t, "early", words("http:80"))
	}, told{{"early:80": "10.1.12.1:8080 c2"}, {"early:80": "10.2.12.1:8080 c1"}}}}},

	"another port number": {"moved", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "moved", words("http:80"))
		c2.service(t, "moved", words("http:80"))
		c1.slice(t, "moved-a", words("http:8080"), "10.1.13.1")
		c2.slice(t, "moved-a", words("http:8080"), "10.2.13.1")
	}, told{{"moved:80": "10.1.13.1:8080 c2"}, {"moved:80": "10.2.13.1:8080 c1"}}}, {func(t *testing.T, c1, c2 at) {
		c1.service(t, "moved", words("http:90"))
		c2.service(t, "moved", words("http:90"))
	}, told{{"moved:90": "10.1.13.1:8080 c2"}, {"moved:90": "10.2.13.1:8080 c1"}}}}},

	"names of ports that are not the Service's": {"foreign", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "foreign", words("http:80"))
		c2.service(t, "foreign", words("http:80"))
		c1.slice(t, "foreign-a", words("other:8080"), "10.1.15.1")
		c1.slice(t, "foreign-b", words("other:8080 http:8081"), "10.1.15.2")
		c2.slice(t, "foreign-a", words("other:8080"), "10.2.15.1")
	}, told{{"foreign:80": "10.1.15.2:8081"}, {"foreign:80": "c1"}}}}},

	"zones, hints and nodes in a slice leave shares alone": {"zones", []step{{func(t *testing.T, c1, c2 at) {
		c1.service(t, "zones", words("http:80"))
		c2.service(t, "zones", words("http:80"))
		c1.slice(t, "zones-a", words("http:8080"), "10.1.14.1,zone=a,hint=a", "10.1.14.2,zone=b,hint=b", "10.1.14.3,zone=b,node=none")
		c2.slice(t, "zones-a", words("http:8080"), "10.2.14.1,zone=a", "10.2.14.2,zone=b")
	}, told{
		{"zones:80": "10.1.14.1:8080 10.1.14.2:8080 10.1.14.3:8080 c2=2"}, {"zones:80": "10.2.14.1:8080 10.2.14.2:8080 c1=3"},
	}}}},
}

func testEqual(t *testing.T, w *world) {
	for name, tc := range equal {
		t.Run(name, func(t *testing.T) {
			for _, step := range tc.steps {
				step.change(t, w.in(1), w.in(2))
				w.awaitTold(t, step.want, step.want, words(tc.services)...)
			}
		})
	}
}

func words(text string) []string { return strings.Fields(text) }
