package mcs

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// TestWarnings: each limit at its edge, for those who export and nobody else.
func TestWarnings(t *testing.T) {
	t.Parallel()
	service := func(namespace, name string, pods, ports int, exporters ...model.MemberName) *model.Service {
		out := &model.Service{Key: model.ServiceKey{Namespace: namespace, Name: name}, Exporters: exporters}
		out.Backends = []model.Backend{{Member: "east", Slices: []*model.Slice{{Endpoints: model.EndpointsOf(make([]model.Endpoint, pods)...)}}}}
		for i := range ports {
			out.Ports = append(out.Ports, model.Port{Number: uint16(i + 1)})
		}
		return out
	}
	six := []model.MemberName{"east", "a", "b", "c", "d", "e"}
	for name, tc := range map[string]struct {
		services []*model.Service
		want     []string
	}{
		"all is within limits": {[]*model.Service{service("shop", "web", 249, 50, six[:5]...)}, nil},
		"too many clusters":    {[]*model.Service{service("shop", "web", 1, 1, six...)}, []string{"service shop/web: 6 clusters export it, where 5 are recommended at most"}},
		"too many pods":        {[]*model.Service{service("shop", "web", 250, 1, "east")}, []string{"service shop/web: 250 endpoints, where 249 are recommended at most"}},
		"too many ports, over several services": {
			[]*model.Service{service("shop", "a", 1, 30, "east"), service("shop", "b", 1, 21, "west")},
			[]string{"51 service ports are exported in the mesh, where 50 are recommended at most"},
		},
		"namespaces for other purposes": {
			[]*model.Service{service("default", "web", 1, 1, "east"), service("kube-system", "web", 1, 1, "east")},
			[]string{
				"service default/web: services of namespace default are easily exported by mistake",
				"service kube-system/web: services of namespace kube-system are easily exported by mistake",
			},
		},
		"what others export": {[]*model.Service{service("default", "web", 300, 60, six[1:]...)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := map[model.ServiceKey]*model.Service{}
			for _, one := range tc.services {
				all[one.Key] = one
			}
			none := model.Services{}
			got := Warnings(&model.View{Services: none.With(all)}, "east")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestWarningsAreBounded: one member cannot fill its object.
func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	all := map[model.ServiceKey]*model.Service{}
	for i := range 100 {
		key := model.ServiceKey{Namespace: "default", Name: fmt.Sprint("web-", i)}
		all[key] = &model.Service{Key: key, Exporters: []model.MemberName{"east"}}
	}
	none := model.Services{}
	if got := Warnings(&model.View{Services: none.With(all)}, "east"); len(got) != mostWarnings+1 || got[mostWarnings] != "and more" {
		t.Errorf("%d warnings", len(got))
	}
}
