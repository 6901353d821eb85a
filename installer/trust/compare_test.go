package trust

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func TestCompareRoots(t *testing.T) {
	t.Parallel()
	mesh, other := made(t, "m", "east", "west"), made(t, "o", "east", "west")
	east, west := plugged(mesh.Intermediates["east"]), plugged(mesh.Intermediates["west"])
	foreign := plugged(other.Intermediates["west"])
	both := slices.Concat(mesh.Root, other.Root)
	google := Objects{CAAddress: "meshca.googleapis.com:443"}
	pool := func(name string) Objects {
		return Objects{ProxyMetadata: map[string]string{"CA_PROVIDER": "GoogleCAS", "CA_ADDR": name}}
	}
	multi := func(o Objects, extra []byte) Objects {
		o.Env, o.MeshRoots = map[string]string{"ISTIO_MULTIROOT_MESH": "true"}, extra
		return o
	}
	wide := func(o Objects) Objects { o.RootPEM = both; return o }
	proxied := func(o Objects, roots []byte) Objects { o.ProxyRoots = roots; return o }
	for name, tc := range map[string]struct {
		east, west Objects
		want       []string
	}{
		"one root":                             {east, west, nil},
		"two self-signed roots":                {selfSigned(t), selfSigned(t), []string{"refusal RootsDiffer"}},
		"two plugged-in roots":                 {east, foreign, []string{"refusal RootsDiffer"}},
		"a plugged-in and a self-signed one":   {east, selfSigned(t), []string{"refusal RootsDiffer"}},
		"one set is part of the other":         {east, Objects{RootPEM: both}, []string{"refusal RootsDiffer"}},
		"the same bundle in another order":     {Objects{RootPEM: both}, Objects{RootPEM: slices.Concat(other.Root, mesh.Root)}, nil},
		"an unknown side":                      {east, Objects{}, []string{"refusal RootsUnknown"}},
		"both unknown":                         {Objects{}, Objects{}, []string{"refusal RootsUnknown"}},
		"an unreadable side":                   {east, Objects{RootPEM: []byte("x")}, []string{"refusal RootsUnknown"}},
		"Mesh CA on both":                      {google, google, nil},
		"Mesh CA on one, its roots seen":       {google, proxied(google, both), nil},
		"Mesh CA and another":                  {google, west, []string{"refusal RootsDiffer"}},
		"one pool of CA Service":               {pool("p/caPools/a"), pool("p/caPools/a"), nil},
		"two pools":                            {pool("p/caPools/a"), pool("p/caPools/b"), []string{"refusal RootsDiffer"}},
		"two pools under one root":             {proxied(pool("p/caPools/a"), mesh.Root), proxied(pool("p/caPools/b"), mesh.Root), nil},
		"several roots, each trusts the other": {multi(east, other.Root), multi(foreign, mesh.Root), []string{"warning RootsDiffer"}},
		"several roots, one way only":          {multi(east, other.Root), multi(foreign, nil), []string{"refusal RootsDiffer"}},
		"several roots, told to one only":      {multi(east, other.Root), foreign, []string{"refusal RootsDiffer"}},
		"a change of root under way":           {wide(east), wide(west), []string{"warning CANotLoaded", "warning CANotLoaded"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states := map[string]State{"east": Read(tc.east), "west": Read(tc.west)}
			got := Compare(states, time.Now())
			if !slices.Equal(codes(got), tc.want) {
				t.Fatalf("got %v, want %v: %+v", codes(got), tc.want, got)
			}
			err := Refused(got)
			if refused := slices.ContainsFunc(got, func(f Finding) bool { return f.Severity == Refusal }); refused != (err != nil) {
				t.Errorf("error %v", err)
			}
			if err != nil && problem.ExitCode(err) != problem.ExitRefused {
				t.Errorf("exit code %d", problem.ExitCode(err))
			}
		})
	}
}

func TestRootsDifferNamesAllMembers(t *testing.T) {
	t.Parallel()
	mesh, other := made(t, "m", "a", "b"), made(t, "o", "c")
	states := map[string]State{
		"a": Read(plugged(mesh.Intermediates["a"])), "b": Read(plugged(mesh.Intermediates["b"])), "c": Read(plugged(other.Intermediates["c"])),
	}
	got := Compare(states, time.Now())
	if len(got) != 1 || !slices.Equal(got[0].Clusters, []string{"a", "b", "c"}) || len(got[0].Rows) != 3 {
		t.Fatalf("got %+v", got)
	}
	err := Refused(got)
	wantProblem(t, err, problem.Refused, CodeRootsDiffer, "2 different sets of roots: a "+states["a"].Roots[0].Fingerprint.Short())
	wantProblem(t, err, problem.Refused, CodeRootsDiffer, "--replace-ca")
	for i, row := range got[0].Rows {
		if row.Root == nil || row.Cluster != string(rune('a'+i)) || row.Kind != PluggedIn || row.Root.NotAfter.IsZero() {
			t.Errorf("row %+v", row)
		}
	}
}

func TestCompareTrustDomains(t *testing.T) {
	t.Parallel()
	mesh := made(t, "m", "a", "b")
	state := func(name, domain string, aliases ...string) State {
		o := plugged(mesh.Intermediates[name])
		o.TrustDomain, o.TrustDomainAliases = domain, aliases
		return Read(o)
	}
	for name, tc := range map[string]struct {
		a, b State
		want []string
	}{
		"C07 the same":                 {state("a", "td"), state("b", "td"), nil},
		"C07 the default":              {state("a", ""), state("b", "cluster.local"), nil},
		"C07 different":                {state("a", "one"), state("b", "two"), []string{"refusal TrustDomainMismatch"}},
		"C07 an alias on one side":     {state("a", "one", "two"), state("b", "two"), []string{"refusal TrustDomainMismatch"}},
		"C07 aliases on both sides":    {state("a", "one", "two"), state("b", "two", "x", "one"), nil},
		"C07 aliases of something":     {state("a", "one", "three"), state("b", "two", "three"), []string{"refusal TrustDomainMismatch"}},
		"C07 the same, other aliases":  {state("a", "one", "x"), state("b", "one", "y"), nil},
		"C07 the default and anything": {state("a", ""), state("b", "p.svc.id.goog"), []string{"refusal TrustDomainMismatch"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Compare(map[string]State{"a": tc.a, "b": tc.b}, time.Now())
			if !slices.Equal(codes(got), tc.want) {
				t.Fatalf("got %v, want %v", codes(got), tc.want)
			}
			if len(got) > 0 && !strings.Contains(got[0].Message, tc.b.TrustDomain) {
				t.Errorf("message %q", got[0].Message)
			}
		})
	}
}

func TestCompareWatchesEnds(t *testing.T) {
	t.Parallel()
	mesh := madeWith(t, "m", Options{Validity: 10 * year, IntermediateValidity: year}, "a")
	alone := map[string]State{"a": Read(plugged(mesh.Intermediates["a"]))}
	bundle := Objects{RootPEM: slices.Concat(mesh.Root, madeWith(t, "o", Options{Validity: 20 * year}, "x").Root)}
	for name, tc := range map[string]struct {
		states map[string]State
		now    time.Time
		want   []string
	}{
		"now":                           {alone, time.Now(), nil},
		"before the intermediate ends":  {alone, time.Now().Add(year - 24*time.Hour), []string{"warning CAExpiresSoon"}},
		"after the intermediate ended":  {alone, time.Now().Add(year + 24*time.Hour), []string{"refusal CAExpired"}},
		"after the root ended as well":  {alone, time.Now().Add(11 * year), []string{"refusal CAExpired", "refusal CAExpired"}},
		"after one root of two ended":   {map[string]State{"a": Read(bundle)}, time.Now().Add(11 * year), []string{"warning CAExpired"}},
		"after both roots ended":        {map[string]State{"a": Read(bundle)}, time.Now().Add(21 * year), []string{"warning CAExpired", "refusal CAExpired"}},
		"before a root in a pair ended": {map[string]State{"a": Read(bundle)}, later(), []string{"warning CAExpiresSoon"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := codes(Compare(tc.states, tc.now)); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
