package mcs

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// situation is the file view.yaml of a case: one service, as the own member sees it.
type situation struct {
	Members []struct {
		Name    model.MemberName `json:"name"`
		Network model.NetworkID  `json:"network"`
		Region  string           `json:"region"`
	} `json:"members"`
	Service struct {
		Type      string             `json:"type"`
		Traits    model.Traits       `json:"traits"`
		Ports     []model.Port       `json:"ports"`
		Exporters []model.MemberName `json:"exporters"`
		Conflicts []model.Conflict   `json:"conflicts"`
		// Cut is what quotas left out.
		Cut model.Cut `json:"cut"`
		// Endpoints is how many each exporter has.
		Endpoints int `json:"endpoints"`
	} `json:"service"`
	Own       model.MemberName `json:"own"`
	Addresses []netip.Addr     `json:"addresses"`
	Families  []model.Family   `json:"families"`
	Sidecars  bool             `json:"sidecars"`
	// Unnamed is how many endpoints have no name of their own.
	Unnamed int      `json:"unnamed"`
	Problem *Problem `json:"problem"`
}

var shop = model.ServiceKey{Namespace: "shop", Name: "cart"}

// TestCorpus says what each object holds: testdata/*.txtar, view.yaml in, and what
// is applied of import and export in both dialects out.
func TestCorpus(t *testing.T) {
	t.Parallel()
	golden.Corpus(t, "testdata/*.txtar", func(t *testing.T, in *golden.Case) map[string][]byte {
		text, _ := in.Input("view.yaml")
		var asked situation
		if err := yaml.UnmarshalStrict(text, &asked); err != nil {
			t.Fatal(err)
		}
		view := asked.view()
		out := map[string][]byte{}
		if service := view.Services.Get(shop); service != nil {
			from := Vantage{Own: view.Members[asked.Own], Families: asked.Families, Sidecars: asked.Sidecars, Derived: func(model.ServiceKey) (string, []netip.Addr) {
				return "derived-x", asked.Addresses
			}}
			from.Unnamed = map[model.ServiceKey]int{shop: asked.Unnamed}
			wanted := importOf(view, service, from)
			for _, d := range dialects {
				out["import."+d.group+".yaml"] = shown(t, func() (*unstructured.Unstructured, error) {
					return d.object(d.versions[0], &wanted)
				}, func() (*unstructured.Unstructured, error) {
					return d.status(d.versions[0], "mesh", &wanted, lasting(wanted.Conditions, nil, metav1.Time{}))
				})
			}
		}
		export := exportOf(shop, view, asked.Own, asked.Problem)
		out["export.yaml"] = append(fmt.Appendf(nil, "# incumbent: %q\n", export.Incumbent), shown(t, func() (*unstructured.Unstructured, error) {
			return upstream.conditions("v1beta1", &export, lasting(export.Conditions, nil, metav1.Time{}))
		})...)
		return out
	})
}

func (s *situation) view() *model.View {
	view := &model.View{Members: map[model.MemberName]*model.Member{}}
	for _, one := range s.Members {
		view.Members[one.Name] = &model.Member{Name: one.Name, Network: one.Network, Region: one.Region}
	}
	if len(s.Service.Exporters) == 0 {
		return view
	}
	service := &model.Service{
		Key: shop, Traits: s.Service.Traits, Ports: s.Service.Ports, Exporters: s.Service.Exporters, Conflicts: s.Service.Conflicts, Cut: s.Service.Cut,
	}
	if s.Service.Type == model.Headless.String() {
		service.Type = model.Headless
	}
	for _, name := range s.Service.Exporters {
		slice := &model.Slice{Name: "one", Endpoints: model.EndpointsOf(make([]model.Endpoint, s.Service.Endpoints)...)}
		service.Backends = append(service.Backends, model.Backend{Member: name, Slices: []*model.Slice{slice}})
	}
	none := model.Services{}
	view.Services = none.With(map[model.ServiceKey]*model.Service{shop: service})
	return view
}

// shown is objects for reading, without the times of conditions.
func shown(t *testing.T, objects ...func() (*unstructured.Unstructured, error)) []byte {
	t.Helper()
	var all [][]byte
	for _, made := range objects {
		object, err := made()
		if err != nil {
			t.Fatal(err)
		}
		conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
		for _, one := range conditions {
			delete(one.(map[string]any), "lastTransitionTime")
		}
		if conditions != nil {
			if err := unstructured.SetNestedSlice(object.Object, conditions, "status", "conditions"); err != nil {
				t.Fatal(err)
			}
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return bytes.Join(all, []byte("---\n"))
}
