package installer

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/installer/render"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// grant is one rule of an account, and where it holds; an empty namespace is everywhere.
type grant struct {
	namespace string
	rule      rbacv1.PolicyRule
}

// grants reads the rules of all roles among objects, and fails where a role is bound to
// anybody else than the account, or where a rule is a wildcard.
func grants(t *testing.T, account string, objects []*unstructured.Unstructured) []grant {
	t.Helper()
	var all []grant
	for _, object := range objects {
		switch object.GetKind() {
		case "Role", "ClusterRole":
			var role rbacv1.ClusterRole
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
				t.Fatal(err)
			}
			for _, rule := range role.Rules {
				for _, word := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs) {
					if strings.Contains(word, "*") || slices.Contains([]string{"escalate", "bind", "impersonate"}, word) {
						t.Errorf("%s of %s: %v", object.GetName(), account, rule)
					}
				}
				all = append(all, grant{object.GetNamespace(), rule})
			}
		case "RoleBinding", "ClusterRoleBinding":
			subjects, _, err := unstructured.NestedSlice(object.Object, "subjects")
			if err != nil || len(subjects) != 1 || subjects[0].(map[string]any)["name"] != account || subjects[0].(map[string]any)["kind"] != "ServiceAccount" {
				t.Errorf("%s is bound to %v, want ServiceAccount %s", object.GetName(), subjects, account)
			}
		}
	}
	return all
}

// rows are grants as a table.
func rows(all []grant) string {
	var text strings.Builder
	text.WriteString("| where | API group | resources | only those named | verbs |\n|---|---|---|---|---|\n")
	for _, one := range all {
		where, groups := one.namespace, make([]string, len(one.rule.APIGroups))
		if where == "" {
			where = "everywhere"
		}
		for i, group := range one.rule.APIGroups {
			if groups[i] = group; group == "" {
				groups[i] = "core"
			}
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", where, strings.Join(groups, ", "),
			strings.Join(one.rule.Resources, ", "), strings.Join(one.rule.ResourceNames, ", "), strings.Join(one.rule.Verbs, ", "))
	}
	return text.String()
}

// ofChart are the grants of a chart's account, with values.
func ofChart(t *testing.T, chart, account string, values render.Values) []grant {
	t.Helper()
	objects, err := render.Chart(render.Release{Chart: chart, Namespace: peer.AccountNamespace, Layers: []render.Values{values}})
	if err != nil {
		t.Fatal(err)
	}
	return grants(t, account, objects)
}

// ofPeer are the grants of a reader of another member's API, as it is made there.
func ofPeer(t *testing.T, account peer.Account, err error) []grant {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	account.Consumer, account.Producer, account.IstioNamespace = "west", "east", "istio-system"
	objects, err := account.Objects()
	if err != nil {
		t.Fatal(err)
	}
	return grants(t, account.ServiceAccount(), objects)
}

// TestRights keeps the page of all rights equal to what charts and code render, so that
// none is widened without being seen.
func TestRights(t *testing.T) {
	t.Parallel()
	agent := ofChart(t, "eastwest-agent", "eastwest-agent", render.Values{"image": "x"})
	everything := ofChart(t, "eastwest-agent", "eastwest-agent", render.Values{
		"image": "x", "networkPolicy": map[string]any{"enabled": true}, "serviceMonitor": map[string]any{"enabled": true},
		"facade": map[string]any{"enabled": true}, "probe": map[string]any{"enabled": true, "authority": "istiod:15012", "service": "s"},
	})
	if !reflect.DeepEqual(agent, everything) {
		t.Errorf("values widen the rights of the agent: %v, then %v", agent, everything)
	}
	for _, values := range []render.Values{
		{"network": "n"},
		{"network": "n", "mode": "ambient"},
		{"network": "n", "dataplane": "envoy", "member": "east", "trustDomain": "cluster.local", "image": "x", "agent": map[string]any{"host": "h"}},
	} {
		if found := ofChart(t, "eastwest-gateway", "eastwest-gateway", values); len(found) > 0 {
			t.Errorf("a gateway with %v has the rights %v", values, found)
		}
	}
	reader := peer.Reader{Member: "west", Version: "1.31.0", MeshConfigMap: "istio"}
	facade, facadeErr := peer.FacadeRules("west", reader)
	istiod, istiodErr := peer.Rules(reader, false)
	gateways, err := peer.GatewayRights("east", "istio-system", []string{"eastwest-east-0"})
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("# Rights\n\nMade from the charts and the code: `go test ./installer -run TestRights -update`. " +
		"Who can reach what with them: [security](../security.md).\n")
	for _, one := range []struct {
		title, text string
		all         []grant
	}{
		{"The agent in its own cluster", "ServiceAccount `eastwest-agent`; no value of the chart changes it.", agent},
		{"The agent in its own cluster, beside Istio with advertised addresses", "Besides, for each peer that has them (here `east`).", grants(t, "eastwest-agent", gateways)},
		{"A peer's agent", "ServiceAccount `agent-west` in the producer `east`, for the agent of `west`.", ofPeer(t, peer.Account{Reader: peer.Agent, Role: peer.AgentRules("west")}, nil)},
		{"A peer's agent that answers its istiod", "The same account where the facade is on.", ofPeer(t, peer.Account{Reader: peer.Agent, Role: facade}, facadeErr)},
		{"A peer's istiod", "ServiceAccount `istiod-west` in the producer `east`, where no agent answers it.", ofPeer(t, peer.Account{Reader: peer.Istiod, Role: istiod}, istiodErr)},
	} {
		if len(one.all) == 0 {
			t.Errorf("%s has no rights: the walk is broken", one.title)
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n%s", one.title, one.text, rows(one.all))
	}
	page.WriteString("\n## Gateways\n\nNone. The Envoy of a cluster without a mesh has no token of its account in its pod.\n")
	golden.Check(t, "../docs/reference/rights.md", []byte(page.String()))
	for _, one := range slices.Concat(agent, ofPeer(t, peer.Account{Reader: peer.Agent, Role: facade}, facadeErr)) {
		if slices.Contains(one.rule.Resources, "secrets") && one.namespace != peer.AccountNamespace {
			t.Errorf("an agent may read Secrets in %q", one.namespace)
		}
		// A token of another account would bring that one's rights along.
		if slices.Contains(one.rule.Resources, "serviceaccounts/token") && !slices.Equal(one.rule.ResourceNames, []string{"agent-west"}) {
			t.Errorf("an agent may ask for tokens of %v", one.rule.ResourceNames)
		}
		if slices.ContainsFunc(one.rule.Resources, func(resource string) bool {
			return strings.HasPrefix(resource, "pods/") || strings.HasPrefix(resource, "nodes/")
		}) {
			t.Errorf("an agent has %v", one.rule)
		}
	}
}
