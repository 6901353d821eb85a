package trust

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	result, err := Init(dir, "m", []string{"east", "west"}, Options{IntermediateValidity: year})
	if err != nil {
		t.Fatal(err)
	}
	want, sibling := result.Material.Intermediates["east"], result.Material.Intermediates["west"]
	foreign := plugged(made(t, "o", "east").Intermediates["east"])
	pending := plugged(want)
	pending.RootPEM = selfSigned(t).RootPEM
	broken := plugged(want)
	broken.CACerts[caCertKey] = []byte("x")
	now, late := time.Now(), time.Now().Add(year-24*time.Hour)
	for name, tc := range map[string]struct {
		current Objects
		consent bool
		now     time.Time
		action  Action
		code    string
		istiod  bool
		proxies bool
	}{
		"no CA yet":                      {Objects{}, false, now, Create, "", false, false},
		"the same":                       {plugged(want), false, now, Unchanged, "", false, false},
		"the same, with consent":         {plugged(want), true, now, Unchanged, "", false, false},
		"another one of the same root":   {plugged(sibling), false, now, Unchanged, "", false, false},
		"the same, not taken up":         {pending, false, now, Unchanged, "", true, true},
		"the same root, near its end":    {plugged(sibling), false, late, Renew, "", false, false},
		"the same root, broken":          {broken, false, now, Renew, "", false, false},
		"istiod's own CA":                {selfSigned(t), false, now, Replace, CodeInUse, true, true},
		"istiod's own CA, with consent":  {selfSigned(t), true, now, Replace, "", true, true},
		"another root":                   {foreign, false, now, Replace, CodeInUse, true, true},
		"another root, with consent":     {foreign, true, now, Replace, "", true, true},
		"roots of whom it cannot see":    {Objects{RootPEM: foreign.RootPEM}, false, now, Replace, CodeInUse, true, true},
		"Mesh CA":                        {Objects{CAAddress: "meshca.googleapis.com:443"}, true, now, Unchanged, CodeElsewhere, false, false},
		"a CA outside the cluster":       {Objects{CAAddress: "csr.cert-manager.svc:443"}, true, now, Unchanged, CodeElsewhere, false, false},
		"a plugged-in one of istio-csr ": {Objects{CAAddress: "csr.cert-manager.svc:443", CACerts: foreign.CACerts}, true, now, Unchanged, CodeElsewhere, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Plan(Read(tc.current), want, PlanOptions{ReplaceCA: tc.consent, Now: tc.now})
			if tc.code == "" && err != nil {
				t.Fatal(err)
			}
			if tc.code != "" {
				wantProblem(t, err, problem.Refused, tc.code, "east")
			}
			if got.Action != tc.action || got.RestartIstiod != tc.istiod || got.RestartProxies != tc.proxies || got.Reason == "" {
				t.Errorf("got %+v", got)
			}
			if (got.Secret != nil) != (tc.action != Unchanged) {
				t.Errorf("Secret %v for %s", got.Secret, got.Action)
			}
			if got.Secret != nil && !bytes.Equal(got.Secret.Data[caKeyKey], want.Key) {
				t.Error("another Secret than wanted")
			}
			text, err := json.Marshal(got)
			if err != nil || strings.Contains(string(text), "PRIVATE") || strings.Contains(string(text), "Data") {
				t.Errorf("as JSON %s, %v", text, err)
			}
		})
	}
}

// TestApplyingTwiceChangesNothing: what Plan writes is unchanged for the next
// Plan, before istiod restarted and after.
func TestApplyingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	want := made(t, "m", "east").Intermediates["east"]
	current := selfSigned(t)
	change, err := Plan(Read(current), want, PlanOptions{ReplaceCA: true})
	if err != nil || change.Action != Replace {
		t.Fatalf("first: %+v, %v", change, err)
	}
	current.CACerts = PublicData(change.Secret)
	change, err = Plan(Read(current), want, PlanOptions{})
	if err != nil || change.Action != Unchanged || !change.RestartIstiod || !change.RestartProxies {
		t.Fatalf("before the restart: %+v, %v", change, err)
	}
	current.RootPEM = want.Root
	change, err = Plan(Read(current), want, PlanOptions{})
	if err != nil || change.Action != Unchanged || change.RestartIstiod {
		t.Fatalf("after the restart: %+v, %v", change, err)
	}
}

func TestInUseSaysWhatRestarts(t *testing.T) {
	t.Parallel()
	want := made(t, "m", "east").Intermediates["east"]
	_, err := Plan(Read(selfSigned(t)), want, PlanOptions{})
	wantProblem(t, err, problem.Refused, CodeInUse, "restarts every istiod, every workload with a sidecar and every gateway")
	wantProblem(t, err, problem.Refused, CodeInUse, "give --replace-ca")
	foreign := made(t, "o", "x").Intermediates["x"]
	_, err = Plan(Read(plugged(foreign)), want, PlanOptions{})
	wantProblem(t, err, problem.Refused, CodeInUse, "overwritten, key and all")
}
