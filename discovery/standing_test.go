package discovery

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/status"
	"github.com/eastwest-mesh/eastwest/discovery/translate"
)

// TestPortsThatStayBehindAreTheExporters: what cannot be translated of a service is
// shown with each member that exports it, and with no other.
func TestPortsThatStayBehindAreTheExporters(t *testing.T) {
	t.Parallel()
	dns := model.ServiceKey{Namespace: "shop", Name: "dns"}
	state := &State{
		View: &model.View{Services: model.Services{}.With(map[model.ServiceKey]*model.Service{
			dns: {Key: dns, Exporters: []model.MemberName{"west", "north"}},
		})},
		Problems: []translate.Problem{
			{Reason: translate.ProtocolUnsupported, Service: dns, Message: "port 53/UDP"},
			{Reason: translate.ProtocolUnsupported, Service: model.ServiceKey{Namespace: "shop", Name: "gone"}, Message: "port 53/UDP"},
		},
	}
	want := []status.Problem{{About: "shop/dns", Reason: "ProtocolUnsupported", Message: "port 53/UDP"}}
	for name, want := range map[model.MemberName][]status.Problem{"west": want, "north": want, "east": nil} {
		one := standing{name: name}
		if diff := cmp.Diff(want, one.shown(state).Exports); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
