package member

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/strictyaml"
)

// maxList bounds every list of a record.
const maxList = 256

// decodeRecord reads a record, fills in defaults and returns all that is wrong,
// joined.
func decodeRecord(text []byte) (v1alpha1.MemberRecord, error) {
	record := v1alpha1.MemberRecord{}
	found := strictyaml.Decode(text, &record)
	if record.ClusterID == "" {
		record.ClusterID = record.Name
	}
	if record.Role == "" {
		record.Role = "both"
	}
	return record, errors.Join(append(found, validate(&record)...)...)
}

func validate(record *v1alpha1.MemberRecord) []error {
	var all []error
	add := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	if record.APIVersion != v1alpha1.APIVersion || record.Kind != v1alpha1.KindMemberRecord {
		add("apiVersion and kind are not %s and %s", v1alpha1.APIVersion, v1alpha1.KindMemberRecord)
	}
	if err := identity.CheckName(record.Name); err != nil {
		all = append(all, err)
	}
	if !printable(record.ClusterID, 253) {
		add("clusterID is too long or not printable")
	}
	if record.Network == "" || len(validation.IsValidLabelValue(record.Network)) > 0 {
		add("network %s is not the value of a label", quote(record.Network))
	}
	if len(validation.IsValidLabelValue(record.Region)) > 0 {
		add("region %s is not the value of a label", quote(record.Region))
	}
	if !printable(record.UID, 128) {
		add("uid is too long or not printable")
	}
	if record.Identity != "" && (!strings.HasPrefix(record.Identity, "spiffe://") || !printable(record.Identity, 2048)) {
		add("identity %s is not a SPIFFE ID", quote(record.Identity))
	}
	if probe := record.Probe; (probe.ServerName == "") != (probe.Identity == "") ||
		!printable(probe.ServerName, 255) || !printable(probe.Identity, 2048) {
		add("probe has not both a server name and an identity, or they are too long or not printable")
	}
	if record.GatewayService != "" {
		namespace, name, found := strings.Cut(record.GatewayService, "/")
		if !found || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Label(name)) > 0 {
			add("gatewayService %s is not NAMESPACE/NAME", quote(record.GatewayService))
		}
	}
	if !slices.Contains([]string{"both", "export", "import"}, record.Role) {
		add("role %s is not one of both, export, import", quote(record.Role))
	}
	return append(all, validateLists(record)...)
}

func printable(text string, most int) bool {
	return len(text) <= most && !strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' })
}

func validateLists(record *v1alpha1.MemberRecord) []error {
	var all []error
	for field, list := range map[string][]string{
		"advertised": record.Advertised, "podCIDRs": record.PodCIDRs, "gatewayCIDRs": record.GatewayCIDRs,
		"namespaces.allow": record.Namespaces.Allow, "namespaces.deny": record.Namespaces.Deny,
	} {
		if len(list) > maxList {
			all = append(all, fmt.Errorf("%s has %d elements, more than %d", field, len(list), maxList))
			continue
		}
		for _, element := range list {
			if reason := elementFlaw(field, element); reason != "" {
				all = append(all, fmt.Errorf("%s: %s %s", field, quote(element), reason))
			}
		}
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return all
}

// elementFlaw is what is wrong with an element of a list, or nothing.
func elementFlaw(field, element string) string {
	switch field {
	case "advertised":
		if !isHostPort(element) {
			return "is not HOST:PORT"
		}
	case "podCIDRs", "gatewayCIDRs":
		prefix, err := netip.ParsePrefix(element)
		if err != nil {
			return "is not a CIDR"
		}
		if prefix != prefix.Masked() || prefix.Addr().Is4In6() {
			return "has bits set past its mask, or is IPv4 written as IPv6"
		}
	default:
		name := strings.TrimSuffix(element, "*")
		if element != "*" && len(validation.IsDNS1123Label(strings.TrimSuffix(name, "-"))) > 0 {
			return "is neither a namespace nor the beginning of one with * behind it"
		}
	}
	return ""
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	number, numberErr := strconv.Atoi(port)
	if err != nil || numberErr != nil || number < 1 || number > 65535 {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" || len(validation.IsDNS1123Subdomain(host)) == 0
}

// Overlaps lists, of every two records, the CIDRs which both declared though
// they cannot both have them: pods of one network, and gateways anywhere. Each is
// a problem of kind Input.
func Overlaps(records []v1alpha1.MemberRecord) []error {
	var all []error
	for i := range records {
		for j := range records[:i] {
			if text := overlap(&records[j], &records[i]); text != "" {
				all = append(all, problem.New(problem.Input, ReasonOverlap, "%s", text).On(records[i].Name))
			}
		}
	}
	return all
}

// overlap says which CIDR of b is also a's; empty if none is.
func overlap(a, b *v1alpha1.MemberRecord) string {
	if a.Network == b.Network {
		if one, other, found := meet(a.PodCIDRs, b.PodCIDRs); found {
			return fmt.Sprintf("pod CIDR %s overlaps with %s of member %s, and both are in network %s", other, one, a.Name, a.Network)
		}
	}
	if one, other, found := meet(a.GatewayCIDRs, b.GatewayCIDRs); found {
		return fmt.Sprintf("gateway CIDR %s overlaps with %s of member %s", other, one, a.Name)
	}
	return ""
}

func meet(a, b []string) (one, other netip.Prefix, found bool) {
	for _, left := range a {
		for _, right := range b {
			one, oneErr := netip.ParsePrefix(left)
			other, otherErr := netip.ParsePrefix(right)
			if oneErr == nil && otherErr == nil && one.Overlaps(other) {
				return one, other, true
			}
		}
	}
	return netip.Prefix{}, netip.Prefix{}, false
}

// quote shows a value from outside, cut to a readable length.
func quote(value string) string {
	const most = 80
	return strconv.QuoteToASCII(value[:min(len(value), most)])
}
