package installer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/peer"
)

// advertisedLink is one to a producer with advertised addresses.
func advertisedLink(addresses ...string) *link {
	consumer, producer := probedSite(func(s *site) { s.facts.HasGatewayAPI = true }), probedSite(func(*site) {})
	producer.spec = v1alpha1.Cluster{Name: "west", Gateway: v1alpha1.Gateway{AdvertisedAddresses: addresses}}
	producer.facts.NamespaceNetwork = "net-west"
	return &link{in: &Installer{}, consumer: consumer, producer: producer}
}

// TestWhatTheAgentRestores is what the installer applies, to the last label, so that
// a later run still knows it for its own.
func TestWhatTheAgentRestores(t *testing.T) {
	t.Parallel()
	l := advertisedLink("192.0.2.1:15443", "gw.example:443")
	objects, err := l.gateways()
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.recordedGateways()
	if err != nil {
		t.Fatal(err)
	}
	var got []unstructured.Unstructured
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	applied := apply.Set{Name: peer.RemoteSet("west"), Objects: objects}.Members()
	if len(got) != 2 || got[0].GetLabels()[apply.ManagedByLabel] != apply.FieldManager {
		t.Fatalf("recorded are %s", text)
	}
	for i := range got {
		if diff := cmp.Diff(applied[i].Object, got[i].Object); diff != "" {
			t.Errorf("(-applied +recorded)\n%s", diff)
		}
	}
}

// TestRightsToRestore are for these objects by name, and none without them.
func TestRightsToRestore(t *testing.T) {
	t.Parallel()
	objects, err := advertisedLink("192.0.2.1:15443", "gw.example:443").keptGateways()
	if err != nil {
		t.Fatal(err)
	}
	var rights []string
	for _, one := range objects {
		if one.GetKind() == "Role" {
			rules, _, _ := unstructured.NestedSlice(one.Object, "rules")
			text, err := json.Marshal(rules)
			if err != nil {
				t.Fatal(err)
			}
			rights = append(rights, one.GetNamespace()+" "+string(text))
		}
	}
	want := `istio-system [{"apiGroups":["gateway.networking.k8s.io"],"resourceNames":["eastwest-west-1","eastwest-west-2"],"resources":["gateways"],"verbs":["get","create","patch"]}]`
	if diff := cmp.Diff([]string{want}, rights); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(objects) != 4 {
		t.Errorf("%d objects, want two gateways, a Role and its binding", len(objects))
	}
	none := advertisedLink()
	if objects, err := none.keptGateways(); err != nil || len(objects) > 0 {
		t.Errorf("without advertised addresses: %v, %v", objects, err)
	}
	if text, err := none.recordedGateways(); err != nil || text != nil {
		t.Errorf("without advertised addresses: %s, %v", text, err)
	}
}

// TestNoGatewayAPI is said before anything is written.
func TestNoGatewayAPI(t *testing.T) {
	t.Parallel()
	l := advertisedLink("192.0.2.1:15443")
	l.consumer.facts = &member.Facts{}
	for what, err := range map[string]error{
		"rights": second(l.keptGateways()), "record": second(l.recordedGateways()),
	} {
		if err == nil || !strings.Contains(err.Error(), "GatewayAPIMissing") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
