package preflight

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestHealthyMembersPassEveryCheck(t *testing.T) {
	t.Parallel()
	if findings := Run(healthy("east", "west", "south")); len(findings) > 0 || Err(findings) != nil {
		t.Errorf("got %+v", findings)
	}
	if findings := Run(Input{}); len(findings) > 0 {
		t.Errorf("nobody has no findings, got %+v", findings)
	}
}

// TestChecksAreData holds the list to what docs and scripts rely on.
func TestChecksAreData(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, check := range Checks() {
		if check.ID == "" || check.Claim == "" || seen[check.ID] {
			t.Errorf("check %+v needs an ID of its own and a claim", check)
		}
		seen[check.ID] = true
	}
}

// broken has a finding of most checks, of every severity, over three members.
func broken() Input {
	in := healthy("east", "west", "south")
	in.Subjects[1].Facts.UID = "uid-east"
	plane(&in, 1).ClusterID = "east"
	plane(&in, 0).Version, plane(&in, 1).Version = "1.10.0", "unknown"
	plane(&in, 2).TrustDomain = "south.example"
	plane(&in, 2).MeshID = "mesh-3"
	plane(&in, 2).Injector.PilotCertProvider = "kubernetes"
	in.Subjects[2].Facts.HasIstioCRDs = false
	in.Subjects[2].Spec.Revision = "default"
	in.Subjects[0].Facts.Gateways[0].Network = "office"
	in.Subjects[0].Facts.NamespaceNetwork, plane(&in, 0).Injector.Network = "net-west", "net-west"
	in.Subjects[0].Facts.PodCIDRs = []string{"10.0.0.0/16", "10.5.0.0/16"}
	return in
}

// TestOrderOfMembersDoesNotMatter shuffles the members: who is named first never
// decides what is found.
func TestOrderOfMembersDoesNotMatter(t *testing.T) {
	t.Parallel()
	in := broken()
	want := found(Run(in))
	if len(want) < 9 {
		t.Fatalf("only %d findings: the case shows too little: %q", len(want), want)
	}
	for range 30 {
		rand.Shuffle(len(in.Subjects), func(i, j int) { in.Subjects[i], in.Subjects[j] = in.Subjects[j], in.Subjects[i] })
		if diff := cmp.Diff(want, found(Run(in))); diff != "" {
			t.Fatalf("(-first +shuffled)\n%s", diff)
		}
	}
}

func found(findings []Finding) []string {
	var out []string
	for _, one := range findings {
		out = append(out, fmt.Sprint(one.Check, one.Severity, one.Members))
	}
	slices.Sort(out)
	return out
}

func TestOnlyNamedChecksRun(t *testing.T) {
	t.Parallel()
	for _, one := range Run(broken(), "DuplicateCluster", "CertProvider") {
		if one.Check != "DuplicateCluster" && one.Check != "CertProvider" {
			t.Errorf("%s was not asked for", one.Check)
		}
	}
}

func TestErrIsOfWhatRefuses(t *testing.T) {
	t.Parallel()
	warning := Finding{Check: "CertProvider", Severity: Warn, Members: []string{"east"}, Detail: "odd"}
	refusal := Finding{Check: "DuplicateCluster", Severity: Refuse, Members: []string{"east", "west"}, Detail: "same", Fix: "mend it"}
	for name, tc := range map[string]struct {
		findings []Finding
		code     int
		texts    []string
	}{
		"no finding":               {nil, problem.ExitOK, nil},
		"warnings do not stop":     {[]Finding{warning}, problem.ExitOK, nil},
		"a refusal is exit code 4": {[]Finding{warning, refusal}, problem.ExitRefused, []string{"cluster east, west: DuplicateCluster: same"}},
		"all of them are told":     {[]Finding{refusal, refusal}, problem.ExitRefused, []string{"cluster east, west: DuplicateCluster: same", "cluster east, west: DuplicateCluster: same"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Err(tc.findings)
			if code := problem.ExitCode(err); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			var texts []string
			for _, one := range problem.All(err) {
				texts = append(texts, one.Error())
				if one.Fix != "mend it" {
					t.Errorf("fix %q", one.Fix)
				}
			}
			if diff := cmp.Diff(tc.texts, texts); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPairKey(t *testing.T) {
	t.Parallel()
	if PairKey("b", "a") != PairKey("a", "b") || PairKey("a", "b") == PairKey("a", "c") {
		t.Error("the order of a pair must not matter, its members must")
	}
}
