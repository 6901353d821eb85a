package member

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// story feeds bundles to a registry, step by step.
type story struct {
	t        *testing.T
	registry *registry
	log      *log
	bundles  map[string]map[string][]byte
}

func newStory(t *testing.T) *story {
	l := newLog()
	return &story{t: t, registry: newRegistry(options(l)), log: l, bundles: map[string]map[string][]byte{}}
}

// set writes files of a bundle; nil removes one.
func (s *story) set(origin string, changed map[string][]byte) *story {
	if s.bundles[origin] == nil {
		s.bundles[origin] = map[string][]byte{}
	}
	for name, content := range changed {
		if content == nil {
			delete(s.bundles[origin], name)
		} else {
			s.bundles[origin][name] = content
		}
	}
	return s
}

// expect updates the registry and compares what it said.
func (s *story) expect(want ...string) {
	s.t.Helper()
	var all []bundle
	for origin, files := range s.bundles {
		all = append(all, bundle{origin: origin, files: maps.Clone(files)})
	}
	s.registry.update(sortBundles(all))
	if diff := cmp.Diff(want, s.log.take()); diff != "" {
		s.t.Fatalf("(-want +got)\n%s\nproblems %+v", diff, s.log.problems)
	}
}

func TestMembersJoinChangeAndLeave(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.expect()
	s.set("a", files(t, "east", "west")).expect("join east", "join west")
	s.expect()
	if got := s.log.members["east"]; got.Config.BearerToken != "token-east" || got.Record.Network != "net-east" || got.Record.ClusterID != "east" || got.Record.Role != "both" || got.Origin != "a" {
		t.Errorf("got %+v", got)
	}
	s.set("b", files(t, "north")).expect("join north")
	s.set("a", map[string][]byte{"east.kubeconfig": kubeconfigOf(t, "east", "rotated")}).expect("replace east")
	s.set("a", map[string][]byte{"west.member.yaml": recordOf("west", "uid: uid-west", "region: eu")}).expect("replace west")
	s.set("a", map[string][]byte{"west.gateways.json": []byte("[1]")}).expect("replace west")
	if got := string(s.log.members["west"].Gateways); got != "[1]" {
		t.Errorf("the recorded gateways are %q", got)
	}
	s.set("a", map[string][]byte{"west.gateways.json": nil}).expect("replace west")
	s.set("a", map[string][]byte{"west.member.yaml": nil, "west.kubeconfig": nil}).expect("leave west")
	delete(s.bundles, "b")
	s.expect("leave north")
}

func TestABadEntryTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	good := files(t, "east", "west")
	s.set("a", good).expect("join east", "join west")
	s.set("a", map[string][]byte{"east.kubeconfig": []byte("{")}).expect("problems east:" + kubeconfig.CodeInvalid)
	s.expect()
	s.set("a", map[string][]byte{"west.kubeconfig": kubeconfigOf(t, "west", "rotated")}).expect("replace west")
	s.set("a", map[string][]byte{"east.kubeconfig": nil}).expect("problems east:" + ReasonIncomplete)
	s.set("a", map[string][]byte{"east.kubeconfig": good["east.kubeconfig"]}).expect("problems")
	s.set("a", map[string][]byte{"bad.kubeconfig": []byte("{")}).expect("problems bad:" + ReasonIncomplete)
}

// TestKubeconfigs are the K rows in their agent column.
func TestKubeconfigs(t *testing.T) {
	t.Parallel()
	good := string(kubeconfigOf(t, "east", "abc"))
	swap := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in %s", old, good)
		}
		return strings.Replace(good, old, with, 1)
	}
	ca := good[strings.Index(good, "certificate-authority-data:"):strings.Index(good, "    server:")]
	for name, tc := range map[string]struct{ text, reason string }{
		"empty":                     {" ", kubeconfig.CodeInvalid},
		"exec":                      {swap("token: abc", "exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, interactiveMode: Never}"), kubeconfig.CodeExec},
		"a token file":              {swap("token: abc", "tokenFile: /etc/passwd"), kubeconfig.CodePath},
		"a client key file":         {swap("token: abc", "client-key: /etc/passwd\n    client-certificate: /etc/passwd"), kubeconfig.CodePath},
		"an authority file":         {swap(ca, "certificate-authority: /etc/passwd\n"), kubeconfig.CodePath},
		"insecure":                  {swap("server:", "insecure-skip-tls-verify: true\n    server:"), kubeconfig.CodeInsecure},
		"a proxy":                   {swap("server:", "proxy-url: http://10.0.0.1:3128\n    server:"), kubeconfig.CodeProxy},
		"a password":                {swap("token: abc", "username: a\n    password: b"), kubeconfig.CodeAuthKind},
		"impersonation":             {swap("token: abc", "token: abc\n    as: system:admin"), kubeconfig.CodeAuthKind},
		"no authority":              {swap(ca, ""), kubeconfig.CodeCA},
		"an authority that is none": {swap(ca, "certificate-authority-data: YWJj\n"), kubeconfig.CodeCA},
		"a token with a line break": {swap("token: abc", `token: "abc\ndef"`), kubeconfig.CodeToken},
		"a token that expired":      {swap("token: abc", "token: e30.eyJleHAiOjF9.x"), kubeconfig.CodeToken},
		"two contexts and no choice": {
			strings.Replace(swap("current-context: east\n", ""), "contexts:\n", "contexts:\n- context: {cluster: east, user: east}\n  name: b\n", 1),
			kubeconfig.CodeAmbiguous,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.set("a", files(t, "east", "west"))
			s.set("a", map[string][]byte{"east.kubeconfig": []byte(tc.text)})
			s.expect("join west", "problems east:"+tc.reason)
			if strings.Contains(s.log.problems[0].Message, "abc") {
				t.Errorf("the token is shown: %s", s.log.problems[0].Message)
			}
		})
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown key":        {string(recordOf("east", "colour: red")), `unknown field "colour"`},
		"a repeated key":        {string(recordOf("east", "network: other")), `duplicate field "network"`},
		"another kind":          {"apiVersion: v1\nkind: Secret\nname: east\nnetwork: n\n", "apiVersion and kind"},
		"another member":        {string(recordOf("west")), "names another member"},
		"no network":            {recordHead + "name: east\n", `network ""`},
		"a role":                {string(recordOf("east", "role: admin")), `role "admin"`},
		"a gateway Service":     {string(recordOf("east", "gatewayService: gateway")), `gatewayService "gateway" is not NAMESPACE/NAME`},
		"an identity":           {string(recordOf("east", "identity: east")), "SPIFFE"},
		"half of a probe":       {string(recordOf("east", "probe: {serverName: x}")), "probe has not both"},
		"an advertised address": {string(recordOf("east", "advertised: [192.0.2.1]")), "is not HOST:PORT"},
		"a scoped address":      {string(recordOf("east", "advertised: ['[fe80::1%eth0]:1']")), "is not HOST:PORT"},
		"a pod CIDR":            {string(recordOf("east", "podCIDRs: [10.0.0.0]")), "is not a CIDR"},
		"bits past a mask":      {string(recordOf("east", "gatewayCIDRs: [10.0.0.1/8]")), "past its mask"},
		"a namespace":           {string(recordOf("east", "namespaces: {deny: ['a.b']}")), "is neither a namespace"},
		"all at once":           {string(recordOf("east", "role: admin", "colour: red", "podCIDRs: [x]")), `unknown field "colour"; role "admin"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.set("a", files(t, "east", "west")).set("a", map[string][]byte{"east.member.yaml": []byte(tc.text)})
			s.expect("join west", "problems east:"+ReasonRecord)
			if got := s.log.problems[0].Message; !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	for _, extra := range []string{
		"advertised: ['192.0.2.1:15443', 'lb.example.com:443', '[fd00::1]:1']", "podCIDRs: [10.0.0.0/8, 'fd00::/64']",
		"namespaces: {allow: ['shop-*', '*', bank], deny: [kube-x]}", "role: export",
	} {
		if _, err := decodeRecord(recordOf("east", extra)); err != nil {
			t.Errorf("%s: %v", extra, err)
		}
	}
}

// TestDuplicateIdentities is H09: who is there stays.
func TestDuplicateIdentities(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		claim map[string][]byte
		who   string
	}{
		"the name":                    {files(t, "east"), "east"},
		"the UID":                     {map[string][]byte{"evil.member.yaml": recordOf("evil", "uid: uid-east"), "evil.kubeconfig": kubeconfigOf(t, "evil", "x")}, "evil"},
		"the cluster ID":              {map[string][]byte{"evil.member.yaml": recordOf("evil", "clusterID: east"), "evil.kubeconfig": kubeconfigOf(t, "evil", "x")}, "evil"},
		"the name of our own cluster": {files(t, "home"), "home"},
		"the UID of our own cluster":  {map[string][]byte{"evil.member.yaml": recordOf("evil", "uid: uid-home"), "evil.kubeconfig": kubeconfigOf(t, "evil", "x")}, "evil"},
		"the name by a nearer Secret": {files(t, "east"), "east"},
		"the cluster ID of our own":   {map[string][]byte{"evil.member.yaml": recordOf("evil", "clusterID: home"), "evil.kubeconfig": kubeconfigOf(t, "evil", "x")}, "evil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			s.set("m", files(t, "east", "west")).expect("join east", "join west")
			s.set("a", tc.claim).expect("problems " + tc.who + ":" + ReasonDuplicate)
			delete(s.bundles, "a")
			s.expect("problems")
		})
	}
}

func TestAnEntryMoves(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.set("a", files(t, "east")).expect("join east")
	s.set("b", files(t, "east")).expect("problems east:" + ReasonDuplicate)
	delete(s.bundles, "a")
	s.expect("problems")
	if got := s.registry.joined["east"].Origin; got != "b" {
		t.Errorf("it comes from %s", got)
	}
	s.set("b", map[string][]byte{"east.member.yaml": recordOf("east", "uid: another")}).expect("leave east", "join east")
}

// TestARejectedMemberJoinsWhenItsRivalLeaves in the same update or a later one.
func TestARejectedMemberJoinsWhenItsRivalLeaves(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.set("a", map[string][]byte{"one.member.yaml": recordOf("one", "uid: u"), "one.kubeconfig": kubeconfigOf(t, "one", "x")}).expect("join one")
	two := map[string][]byte{"two.member.yaml": recordOf("two", "uid: u"), "two.kubeconfig": kubeconfigOf(t, "two", "x")}
	s.set("b", two).expect("problems two:" + ReasonDuplicate)
	delete(s.bundles, "a")
	s.expect("leave one", "join two", "problems")
}

func TestOverlappingCIDRs(t *testing.T) {
	t.Parallel()
	record := func(name, network string, pods, gateways string) v1alpha1.MemberRecord {
		return v1alpha1.MemberRecord{Name: name, Network: network, PodCIDRs: strings.Fields(pods), GatewayCIDRs: strings.Fields(gateways)}
	}
	for name, tc := range map[string]struct {
		all  []v1alpha1.MemberRecord
		want []string
	}{
		"none":                           {[]v1alpha1.MemberRecord{record("a", "n", "10.1.0.0/16", "192.0.2.0/25"), record("b", "n", "10.2.0.0/16", "192.0.2.128/25")}, nil},
		"pods of two networks":           {[]v1alpha1.MemberRecord{record("a", "n", "10.1.0.0/16", ""), record("b", "m", "10.1.0.0/16", "")}, nil},
		"pods of one network":            {[]v1alpha1.MemberRecord{record("a", "n", "10.0.0.0/8", ""), record("b", "n", "10.1.0.0/16", "")}, []string{"pod CIDR 10.1.0.0/16 overlaps with 10.0.0.0/8 of member a"}},
		"gateways of two networks":       {[]v1alpha1.MemberRecord{record("a", "n", "", "192.0.2.0/24"), record("b", "m", "", "192.0.2.7/32")}, []string{"gateway CIDR 192.0.2.7/32 overlaps with 192.0.2.0/24 of member a"}},
		"all of them are listed at once": {[]v1alpha1.MemberRecord{record("a", "n", "10.0.0.0/8", ""), record("b", "n", "10.0.0.0/8", ""), record("c", "n", "10.0.0.0/8", "")}, []string{"member a", "member a", "member b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Overlaps(tc.all)
			if len(got) != len(tc.want) {
				t.Fatalf("got %v", got)
			}
			for i, err := range got {
				if !strings.Contains(err.Error(), tc.want[i]) || problem.ExitCode(err) != problem.ExitInput {
					t.Errorf("got %v, want %q", err, tc.want[i])
				}
			}
		})
	}
	s := newStory(t)
	s.set("a", map[string][]byte{"one.member.yaml": recordOf("one", "gatewayCIDRs: [192.0.2.0/24]"), "one.kubeconfig": kubeconfigOf(t, "one", "x")}).expect("join one")
	s.set("b", map[string][]byte{"two.member.yaml": recordOf("two", "gatewayCIDRs: [192.0.2.0/24]"), "two.kubeconfig": kubeconfigOf(t, "two", "x")}).expect("problems two:" + ReasonOverlap)
}

// TestManyMembers is K16.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	many := map[string][]byte{}
	text := kubeconfigOf(t, "any", "x")
	for i := range 500 {
		name := fmt.Sprintf("m%03d", i)
		many[name+kubeconfigSuffix], many[name+recordSuffix] = text, recordOf(name)
	}
	s.set("a", many)
	s.registry.update([]bundle{{origin: "a", files: many}})
	got := s.log.take()
	if len(got) != DefaultMost+1 || got[DefaultMost-1] != "join m349" || len(s.log.problems) != 150 || s.log.problems[0].Member != "m350" || s.log.problems[0].Reason != ReasonTooMany {
		t.Errorf("%d events, %d problems", len(got), len(s.log.problems))
	}
	// A newcomer whose name comes first pushes nobody out.
	s.set("a", files(t, "aaa"))
	s.registry.update([]bundle{{origin: "a", files: s.bundles["a"]}})
	if lines := s.log.take(); slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "leave") || strings.HasPrefix(line, "join") }) {
		t.Errorf("got %q", lines)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	text := kubeconfigOf(t, "east", "e30.eyJleHAiOjQxMDI0NDQ4MDB9.x")
	s.set("a", files(t, "east")).set("a", map[string][]byte{"east.kubeconfig": text}).expect("join east")
	if got := s.log.members["east"].Expires; !got.Equal(time.Unix(4102444800, 0)) {
		t.Errorf("expires at %v", got)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(recordOf("east", "podCIDRs: [10.0.0.0/8]", "advertised: ['a:1']"))
	f.Fuzz(func(t *testing.T, text []byte) {
		record, err := decodeRecord(text)
		if err == nil && (record.Name == "" || record.ClusterID == "" || record.Role == "") {
			t.Errorf("accepted %+v", record)
		}
	})
}
