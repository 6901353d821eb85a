package installer

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
)

// TestPortsThatPeersMustReach: the health port only where it is published, and
// not behind an advertised address, of which only the one port is known.
func TestPortsThatPeersMustReach(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		health     int32
		advertised []string
		want       []string
	}{
		"both":                  {15021, nil, []string{"https://192.0.2.1:15443", "http://192.0.2.1:15021/healthz/ready"}},
		"no health port":        {0, nil, []string{"https://192.0.2.1:15443"}},
		"an advertised address": {15021, []string{"198.51.100.7:443"}, []string{"https://198.51.100.7:443"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gateway := member.Gateway{
				Network: "n1", Port: 15443, HealthPort: tc.health, Addresses: []string{"192.0.2.1"},
				Labels: map[string]string{apply.ManagedByLabel: apply.FieldManager},
			}
			producer := &site{
				spec:  v1alpha1.Cluster{Name: "c1", Gateway: v1alpha1.Gateway{AdvertisedAddresses: tc.advertised}},
				facts: &member.Facts{Gateways: []member.Gateway{gateway}},
			}
			var got []string
			for _, probe := range gatewayProbes(producer) {
				got = append(got, probe.target.URL)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestAHealthPortMustAnswer: a load balancer that accepts for nobody is no
// health, while 15443 speaks no HTTP.
func TestAHealthPortMustAnswer(t *testing.T) {
	t.Parallel()
	accepted := podprobe.Result{Connected: true}
	if !(gatewayProbe{}).good(accepted) {
		t.Error("a port for traffic that accepts is not good")
	}
	if (gatewayProbe{answers: true}).good(accepted) {
		t.Error("a health port that only accepts is good")
	}
}
