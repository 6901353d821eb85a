package resolve

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func gateways(hosts ...string) []model.HostPort {
	var out []model.HostPort
	for _, host := range hosts {
		out = append(out, model.HostPort{Host: host, Port: 15443})
	}
	return out
}

func resolved(name string, addresses ...string) []model.HostPort {
	out := gateways(addresses...)
	for i := range out {
		out[i].Name = name
	}
	return out
}

func TestApply(t *testing.T) {
	t.Parallel()
	const lb = "lb.example.com"
	var names []string
	for i := range maxNames + 1 {
		names = append(names, fmt.Sprintf("lb-%d.example.com", i))
	}
	for name, tc := range map[string]struct {
		said     []model.HostPort
		declared string
		answer   *Answer
		want     []model.HostPort
		problem  string
	}{
		"addresses stay":                 {said: gateways(v4a, v6a), want: gateways(v4a, v6a)},
		"a name becomes its addresses":   {said: gateways(lb), answer: &Answer{Addresses: addresses(v4a, v6a)}, want: resolved(lb, v4a, v6a)},
		"a name beside an address":       {said: gateways(lb, v4b), answer: &Answer{Addresses: addresses(v4a)}, want: append(resolved(lb, v4a), gateways(v4b)...)},
		"a name nobody has looked up":    {said: gateways(lb), problem: "GatewayUnresolved: gateway lb.example.com:15443 is being looked up"},
		"a name without an address":      {said: gateways(lb), answer: &Answer{Failure: "why"}, problem: "GatewayUnresolved: gateway lb.example.com:15443 has no address: why"},
		"an answer of long ago":          {said: gateways(lb), answer: &Answer{Addresses: addresses(v4a), Failure: "why"}, want: resolved(lb, v4a), problem: "GatewayUnresolved: gateway lb.example.com:15443 is dialled at the addresses it had: why"},
		"within the CIDRs":               {said: gateways(lb), declared: "192.0.2.0/24", answer: &Answer{Addresses: addresses(v4a)}, want: resolved(lb, v4a)},
		"one outside of the CIDRs":       {said: gateways(v4b, lb), declared: "192.0.2.0/24", answer: &Answer{Addresses: addresses(v4a, "203.0.113.1")}, problem: "GatewayDenied: gateway lb.example.com:15443 has the address 203.0.113.1, which is not in the gateway CIDRs"},
		"loopback":                       {said: gateways(lb), answer: &Answer{Addresses: addresses("127.0.0.1")}, problem: "GatewayDenied: gateway lb.example.com:15443 has the address 127.0.0.1, which cannot be one of another cluster"},
		"the metadata server":            {said: gateways(lb), answer: &Answer{Addresses: addresses(v4a, "169.254.169.254")}, problem: "GatewayDenied"},
		"loopback, though it is in CIDR": {said: gateways(lb), declared: "127.0.0.0/8", answer: &Answer{Addresses: addresses("127.0.0.1")}, problem: "GatewayDenied"},
		"multicast":                      {said: gateways(lb), answer: &Answer{Addresses: addresses("ff02::1")}, problem: "GatewayDenied"},
		"unspecified":                    {said: gateways(lb), answer: &Answer{Addresses: addresses("0.0.0.0")}, problem: "GatewayDenied"},
		"link-local of IPv6":             {said: gateways(lb), answer: &Answer{Addresses: addresses("fe80::1")}, problem: "GatewayDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := Answers{}
			for _, one := range tc.said {
				if tc.answer != nil {
					answers[one.Host] = *tc.answer
				}
			}
			var declared []netip.Prefix
			if tc.declared != "" {
				declared = append(declared, netip.MustParsePrefix(tc.declared))
			}
			got, problems := Apply(tc.said, declared, answers)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			said := ""
			for _, one := range problems {
				said += one.Reason + ": " + one.Message
			}
			if !strings.HasPrefix(said, tc.problem) || (said == "") != (tc.problem == "") {
				t.Errorf("problem %q, want %q", said, tc.problem)
			}
			if waits := !Answered(tc.said, answers); waits != strings.Contains(said, "being looked up") {
				t.Errorf("waits: %v", waits)
			}
		})
	}
	t.Run("a member with too many names", func(t *testing.T) {
		t.Parallel()
		answers := Answers{}
		for _, one := range names {
			answers[one] = Answer{Addresses: addresses(v4a)}
		}
		got, problems := Apply(gateways(names...), nil, answers)
		if len(got) != maxNames || len(problems) != 1 || !strings.Contains(problems[0].Message, names[maxNames]) {
			t.Errorf("%d gateways, problems %v", len(got), problems)
		}
	})
}

// TestSplitTakesApplyBack, so that a snapshot has both.
func TestSplitTakesApplyBack(t *testing.T) {
	t.Parallel()
	said := []model.HostPort{{Host: "lb.example.com", Port: 443}, {Host: v4b, Port: 15443}, {Host: "lb.example.com", Port: 15443}}
	applied, _ := Apply(said, nil, Answers{"lb.example.com": {Addresses: addresses(v4a, v6a)}})
	got, known := Split(applied)
	if diff := cmp.Diff(said, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{v4a, v6a}, texts(known["lb.example.com"])); diff != "" || len(known) != 1 {
		t.Errorf("known %v (-want +got)\n%s", known, diff)
	}
}
