package chain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/installer/verify/istio/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

func TestEndsOfTheChain(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"the name does not resolve": {
			func(l *chain.Link) { l.Answer.Exit = traffic.ExitName }, verdict{"name-resolves", "east", false},
		},
		"Envoy does not know the Service": {
			func(l *chain.Link) { l.View.Known, l.View.Endpoints = false, nil }, verdict{"name-known", "east", false},
		},
		"the producer's pod is not ready": {
			func(l *chain.Link) { l.Producer.Pod.Ready = false; nothing(l) }, verdict{"producer-pods", "west", false},
		},
		"nothing explains it": {func(*chain.Link) {}, verdict{"producer-answers", "west", false}},
	})
}

func TestDiscoveryHop(t *testing.T) {
	t.Parallel()
	run(t, map[string]breakage{
		"the remote secret is missing": {
			func(l *chain.Link) { nothing(l); l.Credential.Secret = nil }, verdict{"discovery-secret", "east", true},
		},
		"the remote secret is unreadable": {
			func(l *chain.Link) { nothing(l); l.Credential.Secret.Invalid = "no readable kubeconfig" }, verdict{"discovery-secret", "east", true},
		},
		"the remote secret has another key": {
			func(l *chain.Link) {
				nothing(l)
				l.Credential.Misfiled, l.Credential.Secret = &facts.RemoteSecret{ClusterID: "Kubernetes"}, nil
			}, verdict{"discovery-key", "east", true},
		},
		"a consumer that needs no remote secret": {
			func(l *chain.Link) { nothing(l); l.Credential = chain.Credential{} }, verdict{"discovery-endpoints", "east", false},
		},
		"the token is revoked and istiod has forgotten": {
			func(l *chain.Link) { nothing(l); l.Credential.Status = 401 }, verdict{"discovery-token", "east", true},
		},
		"the API server cannot be dialled": {
			func(l *chain.Link) { nothing(l); l.Credential.Dial = &timeout }, verdict{"discovery-api", "east", true},
		},
		"istiod has not synced": {
			func(l *chain.Link) { nothing(l); l.Consumer.Facts.Istiods[0].Sync["id-west"] = "timeout" }, verdict{"discovery-sync", "east", false},
		},
	})
}

func TestStandingTellsOfDiscoveryWhereTrafficFlows(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*chain.Link)
		want   []string
	}{
		"all is well":           {func(*chain.Link) {}, nil},
		"token revoked":         {func(l *chain.Link) { l.Credential.Status = 401 }, []string{"discovery-token"}},
		"rights taken":          {func(l *chain.Link) { l.Credential.Status = 403 }, []string{"discovery-token"}},
		"API server cut off":    {func(l *chain.Link) { l.Credential.Dial = &timeout }, []string{"discovery-api"}},
		"a replica not in sync": {func(l *chain.Link) { l.Consumer.Facts.Istiods[0].Sync = map[string]string{} }, []string{"discovery-sync"}},
		"itself":                {func(l *chain.Link) { l.Producer = l.Consumer; l.Credential = chain.Credential{} }, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := link()
			l.Works = true
			c.change(&l)
			var got []string
			for _, v := range chain.Standing(l) {
				got = append(got, v.ID)
				if !slices.ContainsFunc(v.Evidence, func(e string) bool { return strings.Contains(e, "traffic still works") }) {
					t.Errorf("%s does not say that traffic still works: %v", v.ID, v.Evidence)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChecksAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range chain.Checks() {
		if seen[c.ID] || c.Claim == "" || c.Hint == "" || c.Hop == "" {
			t.Errorf("check %q is named twice or says too little", c.ID)
		}
		seen[c.ID] = true
	}
}
