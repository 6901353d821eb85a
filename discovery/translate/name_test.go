package translate

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// FuzzNames gives any two ports of services to the functions that name what leads
// there. As long as names are DNS labels, which is what passes, each has names of its
// own, of the right shape: two services of one name would get each other's traffic.
func FuzzNames(f *testing.F) {
	f.Add("shop", "cart", uint16(80), "shop", "cart", uint16(8080))
	f.Add("a", "b-c", uint16(1), "a-b", "c", uint16(1))
	f.Add("a.b", "c", uint16(1), "b", "c.a", uint16(1))
	f.Add("_", "|", uint16(0), "", "", uint16(65535))
	f.Fuzz(func(t *testing.T, space1, name1 string, port1 uint16, space2, name2 string, port2 uint16) {
		for _, word := range []string{space1, name1, space2, name2} {
			if !model.IsLabel(word) {
				return
			}
		}
		one := model.PortKey{Service: model.ServiceKey{Namespace: space1, Name: name1}, Number: port1}
		two := model.PortKey{Service: model.ServiceKey{Namespace: space2, Name: name2}, Number: port2}
		for what, of := range map[string]func(model.PortKey) string{"inbound": InboundName, "egress": EgressName} {
			if (of(one) == of(two)) != (one == two) {
				t.Errorf("%s: %q for %v, %q for %v", what, of(one), one, of(two), two)
			}
		}
		if !IsInbound(InboundName(one)) || IsInbound(EgressName(one)) || IsInbound(PeerName(model.MemberName(name1))) {
			t.Errorf("%q, %q: one is taken for the other", InboundName(one), EgressName(one))
		}
		if InboundName(one) == peerSNI || len(InboundName(one)) > 253 {
			t.Errorf("%q is no name to ask for", InboundName(one))
		}
	})
}
