package config

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/preference"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Validate checks what can be known without a cluster and returns all that is
// wrong, joined, each a problem of kind Input.
func Validate(mesh *Mesh) error {
	var all []error
	add := func(err error) {
		if err != nil {
			all = append(all, err)
		}
	}
	if mesh.Metadata.Name != "" {
		add(LabelValue("mesh ID", mesh.Metadata.Name))
	}
	add(Label("istio namespace", mesh.Spec.IstioNamespace))
	seen := map[string]bool{}
	for _, cluster := range mesh.Spec.Clusters {
		if cluster.Name != "" {
			add(Label("cluster name", cluster.Name))
			if seen[cluster.Name] {
				add(problem.New(problem.Input, "DuplicateName", "two clusters are named %q", cluster.Name).
					WithFix("give each cluster a name of its own, NAME=PATH"))
			}
			seen[cluster.Name] = true
		}
		if cluster.Network != "" {
			add(LabelValue("network", cluster.Network))
		}
		add(SourceRanges(cluster.Gateway.SourceRanges))
		for _, address := range cluster.Gateway.AdvertisedAddresses {
			_, _, err := Address(address)
			add(err)
		}
	}
	add(SourceRanges(mesh.Spec.Gateway.SourceRanges))
	for _, pair := range mesh.Spec.Peers.ClusterLocal {
		add(serviceRef(pair))
	}
	for _, rule := range mesh.Spec.Agent.Exports {
		add(export(rule))
	}
	if form := mesh.Spec.Dataplane; form != "" && form != DataplaneIstio && form != DataplaneEnvoy {
		add(problem.New(problem.Input, "InvalidDataplane", "data plane %s", quote(form)).WithFix("use istio or envoy, or leave it out"))
	}
	if form := mesh.Spec.DNS; form != "" && !slices.Contains([]string{DNSAuto, DNSManual, DNSOff}, form) {
		add(problem.New(problem.Input, "InvalidDNS", "dns %s", quote(form)).WithFix("use auto, manual or off"))
	}
	if domain := mesh.Spec.Trust.Domain; domain != "" && len(validation.IsDNS1123Subdomain(domain)) > 0 {
		add(problem.New(problem.Input, "InvalidName", "trust domain %s is no DNS name", quote(domain)).
			WithFix("use lower-case labels with dots, for example mesh.example"))
	}
	_, err := ParseTopology(mesh.Spec.Topology)
	add(err)
	return errors.Join(all...)
}

// export checks what the agent checks of such a rule before it starts.
func export(rule v1alpha1.ExportRule) error {
	if err := Label("namespace of an export", rule.Namespace); err != nil {
		return err
	}
	if rule.Name != "*" {
		if err := Label("name of an export", rule.Name); err != nil {
			return err
		}
	}
	if _, err := preference.Parse(rule.Prefer); err != nil {
		return problem.New(problem.Input, "InvalidPreference", "preference of export %s/%s: %v", rule.Namespace, rule.Name, err).
			WithFix("see docs/agent.md, \"Which endpoints are preferred\"")
	}
	return nil
}

// Label checks that value is a DNS-1123 label (RFC 1123: at most 63 lower-case
// letters, digits and dashes, a letter or digit at both ends).
func Label(what, value string) error {
	if problems := validation.IsDNS1123Label(value); len(problems) > 0 {
		return problem.New(problem.Input, "InvalidName",
			"%s %s is not a DNS-1123 label: %s", what, quote(value), offence(value)).
			WithFix("use at most 63 characters of a-z, 0-9 and '-', with a letter or digit at both ends")
	}
	return nil
}

// LabelValue checks that value can be the value of a Kubernetes label and is
// not empty: mesh IDs and networks are written as such.
func LabelValue(what, value string) error {
	if value == "" {
		return problem.New(problem.Input, "InvalidName", "%s is empty", what).
			WithFix("give it a value, or leave it out")
	}
	if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
		return problem.New(problem.Input, "InvalidName", "%s %s is not a label value", what, quote(value)).
			WithFix("use at most 63 characters of A-Z, a-z, 0-9, '-', '_' and '.', with a letter or digit at both ends")
	}
	return nil
}

// quote shows a value of the user's, cut to a readable length.
func quote(value string) string {
	if len(value) > 80 {
		return strconv.QuoteToASCII(value[:80]) + "..."
	}
	return strconv.QuoteToASCII(value)
}

// offence names the first byte that a DNS-1123 label cannot have.
func offence(value string) string {
	if value == "" {
		return "it is empty"
	}
	if len(value) > validation.DNS1123LabelMaxLength {
		return "it has " + strconv.Itoa(len(value)) + " bytes, at most 63 are allowed"
	}
	for i, r := range value {
		inner := r == '-' && i > 0 && i < len(value)-1
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') || inner {
			continue
		}
		if r == utf8.RuneError {
			return "byte " + strconv.Itoa(i+1) + " is not UTF-8"
		}
		return "byte " + strconv.Itoa(i+1) + " is " + strconv.QuoteRuneToASCII(r)
	}
	return "it is malformed"
}

// SourceRanges checks CIDRs. The whole Internet is no error here: whether it is
// allowed depends on the command.
func SourceRanges(ranges []string) error {
	var all []error
	for _, text := range ranges {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix.Addr().Zone() != "" {
			all = append(all, problem.New(problem.Input, "InvalidSourceRange", "%s is not a CIDR", quote(text)).
				WithFix("write ADDRESS/BITS, for example 203.0.113.0/24"))
			continue
		}
		if prefix != prefix.Masked() {
			all = append(all, problem.New(problem.Input, "InvalidSourceRange", "%s has bits set past its mask", quote(text)).
				WithFix("write %s", prefix.Masked()))
		}
	}
	return errors.Join(all...)
}

// Internet reports whether one of the ranges is every address of its family.
func Internet(ranges []string) bool {
	for _, text := range ranges {
		if prefix, err := netip.ParsePrefix(text); err == nil && prefix.Bits() == 0 {
			return true
		}
	}
	return false
}

// DefaultGatewayPort is the port of east-west gateways.
const DefaultGatewayPort = 15443

// Address splits an advertised address into host and port; the port defaults
// to 15443.
func Address(text string) (host string, port int, err error) {
	host, port = text, DefaultGatewayPort
	if h, p, splitErr := net.SplitHostPort(text); splitErr == nil {
		number, numberErr := strconv.Atoi(p)
		if numberErr != nil || number < 1 || number > 65535 {
			return "", 0, problem.New(problem.Input, "InvalidAddress", "advertised address %s has no valid port", quote(text))
		}
		host, port = h, number
	}
	addr, addrErr := netip.ParseAddr(host)
	isName := len(validation.IsDNS1123Subdomain(host)) == 0
	if (addrErr != nil || addr.Zone() != "") && !isName {
		return "", 0, problem.New(problem.Input, "InvalidAddress",
			"advertised address %s is neither an IP address nor a host name", quote(text)).
			WithFix("write HOST or HOST:PORT, for example 203.0.113.7:15443")
	}
	return host, port, nil
}

// serviceRef checks NAMESPACE/SERVICE, where the service may be *.
func serviceRef(text string) error {
	namespace, service, found := strings.Cut(text, "/")
	ok := found && len(validation.IsDNS1123Label(namespace)) == 0 &&
		(service == "*" || len(validation.IsDNS1123Label(service)) == 0)
	if !ok {
		return problem.New(problem.Input, "InvalidName", "cluster-local service %s", quote(text)).
			WithFix("write NAMESPACE/SERVICE, or NAMESPACE/* for a whole namespace")
	}
	return nil
}
