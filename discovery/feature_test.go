package discovery

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/mcs"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
	"github.com/eastwest-mesh/eastwest/discovery/status"
)

// TestFeatureOfAMember: of the own member all is known, of others where they are.
func TestFeatureOfAMember(t *testing.T) {
	t.Parallel()
	no, other := false, "other"
	foreign := []v1alpha1.ForeignDialect{{Group: v1alpha1.MCSGKE, Owner: "GKE"}}
	file := v1alpha1.AgentConfig{
		Mesh: "shop", Member: v1alpha1.AgentMember{Name: "east", Network: "net-1"}, MCS: v1alpha1.AgentMCS{Enabled: &no, Foreign: foreign},
	}
	a := &Agent{Options: Options{Settings: &settings.Settings{File: file}}, imports: &mcs.Writer{}}
	key := model.ServiceKey{Namespace: "default", Name: "web"}
	state := &State{View: &model.View{
		Members:  map[model.MemberName]*model.Member{"east": {Network: "net-1"}, "west": {Network: "net-2"}, "north": {Network: "net-1"}},
		Services: model.Services{}.With(map[model.ServiceKey]*model.Service{key: {Key: key, Exporters: []model.MemberName{"west"}}}),
	}}
	networks := []string{"net-1", "net-2"}
	own := &standing{name: "east", own: true, record: v1alpha1.MemberRecord{Network: "net-1"}}
	west := &standing{name: "west", record: v1alpha1.MemberRecord{Network: "net-2"}}
	for name, tc := range map[string]struct {
		of    *standing
		state *State
		set   *string
		want  status.Feature
	}{
		"before there is a view":   {own, nil, nil, status.Feature{Off: true, Foreign: foreign}},
		"the own member":           {own, state, &file.Mesh, status.Feature{Off: true, Foreign: foreign, Networks: networks}},
		"the own member elsewhere": {own, state, &other, status.Feature{Off: true, Foreign: foreign, Networks: networks, Clusterset: "other"}},
		"another member": {west, state, &other, status.Feature{
			Networks: networks, Across: true, Warnings: []string{"service default/web: services of namespace default are easily exported by mistake"},
		}},
	} {
		a.clusterset.Store(tc.set)
		if diff := cmp.Diff(tc.want, a.feature(tc.of, tc.state)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
