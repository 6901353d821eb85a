package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
)

var (
	now   = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	since = now.Add(-time.Hour)
)

// west is a member that is well.
func west() Member {
	return Member{
		Name: "west", ClusterID: "west-1", Network: "net-west", Region: "eu", Watched: true, State: model.Ready,
		Services: 2, Endpoints: 5, Gateways: []string{"192.0.2.1:15443"}, LastEvent: now.Add(-time.Second), Expires: now.Add(time.Hour),
	}
}

func fault(reason string) []Fault {
	return []Fault{{Reason: reason, Message: "because", Since: since}}
}

func TestCodeAndDescription(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Member)
		want   string
	}{
		"all is well":     {func(*Member) {}, "OK watched"},
		"the own cluster": {func(m *Member) { m.Own = true }, "OK the agent's own cluster"},
		"it is being listed": {
			func(m *Member) { m.State = model.Joining },
			"WARNING it is being listed; fix: wait",
		},
		"it was never reached": {
			func(m *Member) { m.State, m.Faults = model.Joining, fault("Unreachable") },
			"FAILED the member was never read: Unreachable: because; fix: see whether the member's API server runs",
		},
		"its API was lost": {
			func(m *Member) { m.State, m.Faults = model.Degraded, fault("Unreachable") },
			"WARNING it cannot be watched since 2026-03-04T04:06:07Z, and what it offered last stays in use: Unreachable: because; fix: see whether",
		},
		"it was lost long ago": {
			func(m *Member) { m.State, m.Faults = model.Stale, fault("ServerError") },
			"ERROR it cannot be watched since 2026-03-04T04:06:07Z, and what it offered then is still in use: ServerError",
		},
		"it was lost long ago, and its gateway too": {
			func(m *Member) {
				m.State, m.Faults, m.Demoted = model.Stale, fault("ServerError"), true
				m.Link = &Link{Hop: "tcp", Message: "why"}
			},
			"ERROR it cannot be watched since 2026-03-04T04:06:07Z, and what it offered then is used only where nobody else has an endpoint: ServerError: because (and 1 more)",
		},
		"its gateway alone was lost": {
			func(m *Member) { m.Link = &Link{Hop: "tcp", Message: "192.0.2.1:15443: timeout"} },
			"ERROR Partitioned: its API answers, but its gateway is not reached: tcp: 192.0.2.1:15443: timeout; fix: open the way",
		},
		"its gateway does not speak TLS": {
			func(m *Member) { m.Link = &Link{Hop: "tls", Message: "why"} },
			"ERROR its gateway is not reached: tls: why; fix: see what answers",
		},
		"its API and its gateway were lost just now": {
			func(m *Member) {
				m.State, m.Faults, m.Link = model.Degraded, fault("Unreachable"), &Link{Hop: "tcp", Message: "why"}
			},
			"ERROR its gateway is not reached: tcp: why (and 1 more)",
		},
		"its gateway's name is nobody's": {
			func(m *Member) {
				m.Gateways = nil
				m.Links = []Problem{{Reason: "GatewayUnresolved", Message: "no address"}, {Reason: "GatewayMissing", Message: "none"}}
			},
			"ERROR GatewayUnresolved: no address (and 1 more); fix: see whether pods of this cluster can look the name up",
		},
		"its gateway's name was not looked up lately": {
			func(m *Member) { m.Links = []Problem{{Reason: "GatewayUnresolved", Message: "as it was"}} },
			"WARNING GatewayUnresolved: as it was; fix: see whether pods of this cluster can look the name up",
		},
		"its gateway's name leads to us": {
			func(m *Member) { m.Links = []Problem{{Reason: "GatewayDenied", Message: "loopback"}} },
			"ERROR GatewayDenied: loopback; fix: add the address to gatewayCIDRs",
		},
		"one resource is refused": {
			func(m *Member) {
				m.State, m.Faults = model.Degraded, []Fault{{Resource: "endpointslices", Reason: "Forbidden", Message: "list and watch", Since: since}}
			},
			"WARNING it cannot be watched since 2026-03-04T04:06:07Z, and what it offered last stays in use: Forbidden of endpointslices: list and watch; fix: restore the rights",
		},
		"it is another cluster": {
			func(m *Member) { m.State, m.Faults = model.Quarantined, fault("IdentityChanged") },
			"ERROR nothing new is taken from it: IdentityChanged: because; fix: if the cluster was made anew, let the old one leave",
		},
		"no record of it is in use": {
			func(m *Member) {
				*m = Member{Name: "west", Records: []Problem{{About: "Secret ns/member-west", Reason: "KubeconfigExec", Message: "exec"}}}
			},
			"FAILED the member is not used: KubeconfigExec: exec; fix: correct Secret ns/member-west, or write it again",
		},
		"a newer record of it is not used": {
			func(m *Member) {
				m.Records = []Problem{{About: "Secret ns/two", Reason: "DuplicateIdentity", Message: "taken"}}
			},
			"WARNING a newer or second record is not used: DuplicateIdentity: taken; fix: correct Secret ns/two",
		},
		"a new credential is no good": {
			func(m *Member) { m.Pending = fault("Unauthorized") },
			"WARNING its new credential or record is not in use yet: Unauthorized: because; fix: give the agent a new credential",
		},
		"its credential ended": {
			func(m *Member) { m.Expires = now },
			"ERROR the credential for it ended at 2026-03-04T05:06:07Z",
		},
		"nothing can be sent to it": {
			func(m *Member) { m.Links = []Problem{{Reason: "GatewayMissing", Message: "no address"}} },
			"ERROR GatewayMissing: no address; fix: give its gateway an address",
		},
		"nothing can be sent to it, and it offers nothing": {
			func(m *Member) {
				m.Links, m.Services = []Problem{{Reason: "GatewayMissing", Message: "no address"}}, 0
			},
			"WARNING GatewayMissing: no address; fix: give its gateway an address",
		},
		"an export is not taken": {
			func(m *Member) {
				m.Exports = []Problem{{About: "kube-system/dns", Reason: "NamespaceDenied", Message: "denied"}}
			},
			"WARNING service kube-system/dns: NamespaceDenied: denied; fix: remove the export",
		},
		"the heaviest comes first": {
			func(m *Member) {
				m.Exports = []Problem{{Reason: "NoService", Message: "none"}}
				m.Links = []Problem{{Reason: "GatewayUnresolved", Message: "a name"}, {Reason: "IdentityInvalid", Message: "no identity"}}
			},
			"ERROR IdentityInvalid: no identity (and 2 more); fix: write its record again",
		},
		"a text with line breaks and the port of a connection": {
			func(m *Member) {
				m.State = model.Degraded
				m.Faults = []Fault{{Reason: "Unreachable", Message: "read tcp 10.1.2.3:4567->192.0.2.1:6443:\n\x1b[31mreset", Since: since}}
			},
			"WARNING it cannot be watched since 2026-03-04T04:06:07Z, and what it offered last stays in use: Unreachable: read tcp 192.0.2.1:6443: [31mreset;",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			member := west()
			tc.change(&member)
			status := Wanted(member, nil, now).Status
			if got := status.Code + " " + status.Description; !strings.HasPrefix(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestEveryReasonHasARemedy(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, reason := range []string{
		"NamespaceDenied", "NamespaceDefault", "NoService", "NoPorts", "ManyPorts", "TooManyServices", "GatewayDenied", "RoleImportOnly", "ProtocolUnsupported", "Other",
	} {
		if other, twice := seen[Remedy(reason)]; twice {
			t.Errorf("%s and %s have one remedy", reason, other)
		}
		seen[Remedy(reason)] = reason
	}
	for _, reason := range []string{"Unauthorized", "Forbidden", "IdentityChanged", "APIMissing", "Throttled", "ServerError", "TooLarge", "Unreachable"} {
		if other, twice := seen[remedy(Member{}, Fault{Reason: reason})]; twice {
			t.Errorf("%s and %s have one remedy", reason, other)
		}
		seen[remedy(Member{}, Fault{Reason: reason})] = reason
	}
}

func TestExportsThatAreLeftOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		exports []Problem
		want    string
	}{
		"nothing": {nil, ""},
		"advice":  {[]Problem{{About: "default/x", Reason: "NamespaceDefault"}, {About: "shop/x", Reason: "ManyPorts"}}, ""},
		"a port that gateways do not carry": {
			[]Problem{{About: "shop/dns", Reason: "ProtocolUnsupported", Message: "port 53/UDP"}},
			"True ProtocolUnsupported: service shop/dns: ProtocolUnsupported: port 53/UDP",
		},
		"one of several": {
			[]Problem{{About: "default/x", Reason: "NamespaceDefault"}, {About: "a/x", Reason: "NoService", Message: "none"}, {About: "b/x", Reason: "NoPorts"}},
			"True NoService: service a/x: NoService: none (and 1 more)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			member := west()
			member.Exports = tc.exports
			got := ""
			for _, one := range Wanted(member, nil, now).Status.Conditions {
				if one.Type == ExportsIncomplete {
					got = fmt.Sprintf("%s %s: %s", one.Status, one.Reason, one.Message)
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestALongTextIsCut(t *testing.T) {
	t.Parallel()
	member := west()
	member.Exports = []Problem{{Reason: "NoService", Message: strings.Repeat("ü", 5000)}}
	if got := Wanted(member, nil, now).Status.Description; len([]rune(got)) > 700 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}

func TestTheObject(t *testing.T) {
	t.Parallel()
	at := func(at time.Time) *metav1.Time { return &metav1.Time{Time: at} }
	transition := metav1.Time{Time: now.Truncate(time.Second)}
	want := v1alpha1.MemberCluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: "eastwest.dev/v1alpha1", Kind: "MemberCluster"},
		ObjectMeta: metav1.ObjectMeta{Name: "west", Labels: map[string]string{"app.kubernetes.io/managed-by": "eastwest-agent"}},
		Spec:       v1alpha1.MemberClusterSpec{ClusterID: "west-1", Network: "net-west", Region: "eu"},
		Status: v1alpha1.MemberClusterStatus{
			State: "ready", Code: "OK", Description: "watched", Services: 2, Endpoints: 5, Gateways: []string{"192.0.2.1:15443"},
			LastEvent: at(time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)), CredentialExpiry: at(now.Add(time.Hour).Truncate(time.Second)),
			MultiClusterServices: &v1alpha1.MemberServices{Code: "OK", Description: "Firewall successfully created", UpdateTime: transition},
			Conditions: []metav1.Condition{
				{Type: "CredentialValid", Status: "True", Reason: "Accepted", Message: "the member accepts it", LastTransitionTime: transition},
				{Type: "Ready", Status: "True", Reason: "Watched", Message: "all that it exports is seen", LastTransitionTime: transition},
			},
		},
	}
	if diff := cmp.Diff(want, Wanted(west(), nil, now)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestConditions follows them through the life of a member: their times change
// with their status alone.
func TestConditions(t *testing.T) {
	t.Parallel()
	var last *v1alpha1.MemberCluster
	for minute, step := range []struct {
		state  model.State
		faults []Fault
		want   string
	}{
		{model.Joining, nil, "Unknown NotProved 0, False Joining 0"},
		{model.Ready, nil, "True Accepted 1, True Watched 1"},
		{model.Ready, nil, "True Accepted 1, True Watched 1"},
		{model.Degraded, fault("Unreachable"), "Unknown NotProved 3, False Unreachable 3"},
		{model.Stale, fault("Unauthorized"), "False Unauthorized 4, False Unauthorized 3"},
		{model.Degraded, fault("Forbidden"), "True Accepted 5, False Forbidden 3"},
		{model.Ready, nil, "True Accepted 5, True Watched 6"},
	} {
		member := west()
		member.State, member.Faults = step.state, step.faults
		object := Wanted(member, last, now.Add(time.Duration(minute)*time.Minute))
		var got []string
		for _, one := range object.Status.Conditions {
			got = append(got, fmt.Sprintf("%s %s %d", one.Status, one.Reason, one.LastTransitionTime.Minute()-now.Minute()))
		}
		if strings.Join(got, ", ") != step.want {
			t.Errorf("after %d minutes: got %q, want %q", minute, got, step.want)
		}
		last = &object
	}
}

// TestABrokenWayIsNamed: a gateway that does not answer is an error of a member
// that is otherwise well, with the hop as its reason.
func TestABrokenWayIsNamed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	member := Member{Name: "west", Watched: true, State: model.Ready}
	reach := func(object v1alpha1.MemberCluster) *metav1.Condition {
		return meta.FindStatusCondition(object.Status.Conditions, Reachable)
	}
	if reach(Wanted(member, nil, now)) != nil {
		t.Error("what nobody tried is shown")
	}
	member.Link = &Link{OK: true}
	if object := Wanted(member, nil, now); object.Status.Code != v1alpha1.CodeOK || reach(object).Status != metav1.ConditionTrue {
		t.Errorf("it answers: %+v", object.Status)
	}
	for hop, reason := range hopReasons {
		member.Link = &Link{Hop: hop, Message: "192.0.2.1:15443: why"}
		object := Wanted(member, nil, now)
		condition := reach(object)
		if object.Status.Code != v1alpha1.CodeError || condition.Status != metav1.ConditionFalse || condition.Reason != reason {
			t.Errorf("%s: %+v", hop, object.Status)
		}
		if !strings.Contains(object.Status.Description, hop+": 192.0.2.1:15443: why"+Fix+hopRemedies[hop]) {
			t.Errorf("%s: described as %q", hop, object.Status.Description)
		}
	}
}

// TestHowFarAWayIsProved is said by the reason and in words, with why it is no
// further.
func TestHowFarAWayIsProved(t *testing.T) {
	t.Parallel()
	for hop, tc := range map[string]struct{ reason, says string }{
		"tcp":       {"Connects", "no more than TCP is proved: why"},
		"tls":       {"LeadsToAgent", "no certificate is proved: why"},
		"admission": {"Answers", "lets ours in"},
		"answer":    {"Answers", "its agent answers through its gateway"},
	} {
		t.Run(hop, func(t *testing.T) {
			t.Parallel()
			member := west()
			member.Link = &Link{OK: true, Hop: hop, Message: "why", RTT: 1500 * time.Microsecond}
			object := Wanted(member, nil, now)
			condition := meta.FindStatusCondition(object.Status.Conditions, Reachable)
			if condition == nil || condition.Status != metav1.ConditionTrue || condition.Reason != tc.reason || !strings.Contains(condition.Message, tc.says) {
				t.Errorf("condition is %+v", condition)
			}
			if diff := cmp.Diff(&v1alpha1.MemberLink{Hop: hop, RTTMicroseconds: 1500}, object.Status.Link); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if object.Status.Code != v1alpha1.CodeOK {
				t.Errorf("code is %s: a way that is not proved to its end is no fault", object.Status.Code)
			}
		})
	}
}

// TestWhichRoundTripsAreWritten: one that differs little is no reason to write.
func TestWhichRoundTripsAreWritten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before, now *v1alpha1.MemberLink
		same        bool
	}{
		"none":                   {nil, nil, true},
		"the first":              {nil, &v1alpha1.MemberLink{Hop: "answer"}, false},
		"a little slower":        {&v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 300}, &v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 2300}, true},
		"slower":                 {&v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 300}, &v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 2301}, false},
		"far away, and as usual": {&v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 80000}, &v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 40000}, true},
		"much faster":            {&v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 80000}, &v1alpha1.MemberLink{Hop: "answer", RTTMicroseconds: 39999}, false},
		"another hop":            {&v1alpha1.MemberLink{Hop: "answer"}, &v1alpha1.MemberLink{Hop: "tcp"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := sameLink(tc.before, tc.now); got != tc.same {
				t.Errorf("same is %v", got)
			}
		})
	}
}

// TestAdvertisedAddresses are shown: as recorded, restored, or not.
func TestAdvertisedAddresses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		addresses          Addresses
		status             metav1.ConditionStatus
		reason, says, code string
	}{
		"as recorded":  {Addresses{}, metav1.ConditionTrue, "AsRecorded", "is told", v1alpha1.CodeOK},
		"restored":     {Addresses{Restored: since}, metav1.ConditionTrue, "Restored", "restored at 2026-03-04T04:06:07Z", v1alpha1.CodeOK},
		"not restored": {Addresses{Problem: "forbidden", Restored: since}, metav1.ConditionFalse, "NotRestored", "forbidden", v1alpha1.CodeError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			member := west()
			member.Addresses = &tc.addresses
			object := Wanted(member, nil, now)
			condition := meta.FindStatusCondition(object.Status.Conditions, AddressesKept)
			if condition == nil || condition.Status != tc.status || condition.Reason != tc.reason || !strings.Contains(condition.Message, tc.says) {
				t.Errorf("condition is %+v", condition)
			}
			if object.Status.Code != tc.code {
				t.Errorf("code is %s, want %s", object.Status.Code, tc.code)
			}
		})
	}
}
