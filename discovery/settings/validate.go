package settings

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/preference"
)

// validate returns everything that is wrong with the values, and fills in the
// durations.
func validate(settings *Settings) []error {
	file := &settings.File
	var all []error
	add := func(err error) {
		if err != nil {
			all = append(all, err)
		}
	}
	add(head(file))
	all = append(all, validateMember(file)...)
	add(oneOf("dataPlane", file.DataPlane, DataPlaneEnvoy, DataPlaneNone))
	all = append(all, validateExports(file.Exports.Policy)...)
	all = append(all, validateAdmit(file.Admit)...)
	all = append(all, validateSource(file.Members)...)
	all = append(all, validateLimits(file.Limits)...)
	prefer, err := preference.Parse(file.Locality.Prefer)
	if err != nil {
		add(flaw("locality.prefer: %v", err))
	}
	settings.Prefer = model.Preference(prefer)
	for i, one := range file.MCS.Foreign {
		add(oneOf(fmt.Sprintf("mcs.foreign[%d].group", i), one.Group, v1alpha1.MCSUpstream, v1alpha1.MCSGKE))
	}
	settings.StaleAfter, err = duration("staleAfter", file.StaleAfter)
	add(err)
	settings.SyncDeadline, err = duration("syncDeadline", file.SyncDeadline)
	add(err)
	add(address("listen.xds", file.Listen.XDS))
	add(loopback("listen.admin", file.Listen.Admin))
	add(address("listen.health", file.Listen.Health))
	add(address("facade.listen", file.Facade.Listen))
	if file.DNS.Listen != "" {
		add(address("dns.listen", file.DNS.Listen))
	}
	for i, text := range file.DNS.Exempt {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			add(flaw("dns.exempt[%d] %s is not a CIDR", i, quote(text)))
		}
		settings.DNSExempt = append(settings.DNSExempt, prefix)
	}
	all = append(all, validateProbe(file)...)
	if folder := file.Facade.Folder; folder != "" && !filepath.IsAbs(folder) {
		add(flaw("facade.folder %s is not an absolute path", quote(folder)))
	}
	if folder := file.Snapshot.Folder; folder != "" && !filepath.IsAbs(folder) {
		add(flaw("snapshot.folder %s is not an absolute path", quote(folder)))
	}
	return all
}

func head(file *v1alpha1.AgentConfig) error {
	if file.APIVersion == v1alpha1.APIVersion && file.Kind == v1alpha1.KindAgentConfig {
		return nil
	}
	return flaw("apiVersion and kind must be %s and %s, not %s and %s",
		v1alpha1.APIVersion, v1alpha1.KindAgentConfig, quote(file.APIVersion), quote(file.Kind))
}

func validateMember(file *v1alpha1.AgentConfig) []error {
	var all []error
	if err := identity.CheckName(file.Member.Name); err != nil {
		all = append(all, flaw("member.name: %v", err))
	}
	for field, value := range map[string]string{"member.network": file.Member.Network, "mesh": file.Mesh} {
		if value == "" {
			all = append(all, flaw("%s is empty", field))
		} else if len(validation.IsValidLabelValue(value)) > 0 {
			all = append(all, flaw("%s %s is not the value of a label", field, quote(value)))
		}
	}
	if len(file.Member.ClusterID) > 253 || strings.ContainsFunc(file.Member.ClusterID, unprintable) {
		all = append(all, flaw("member.clusterID %s is too long or not printable", quote(file.Member.ClusterID)))
	}
	if region := file.Member.Region; len(validation.IsValidLabelValue(region)) > 0 {
		all = append(all, flaw("member.region %s is not the value of a label", quote(region)))
	}
	if len(validation.IsDNS1123Subdomain(file.TrustDomain)) > 0 {
		all = append(all, flaw("trustDomain %s is not a DNS name", quote(file.TrustDomain)))
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return all
}

func unprintable(c rune) bool { return c <= ' ' || c > '~' }

func validateAdmit(rules []v1alpha1.AdmitRule) []error {
	var all []error
	seen := map[string]bool{}
	for i, rule := range rules {
		if len(validation.IsDNS1123Label(rule.Namespace)) > 0 || len(validation.IsDNS1123Label(rule.Name)) > 0 {
			all = append(all, flaw("admit[%d]: %s is not the name of a service", i, quote(rule.Namespace+"/"+rule.Name)))
		}
		if name := rule.Namespace + "/" + rule.Name; seen[name] {
			all = append(all, flaw("admit[%d]: %s is named twice", i, quote(name)))
		} else {
			seen[name] = true
		}
		for _, member := range rule.Members {
			if err := identity.CheckName(member); err != nil {
				all = append(all, flaw("admit[%d].members: %v", i, err))
			}
		}
	}
	return all
}

func validateExports(rules []v1alpha1.ExportRule) []error {
	var all []error
	for i, rule := range rules {
		if len(validation.IsDNS1123Label(rule.Namespace)) > 0 {
			all = append(all, flaw("exports.policy[%d].namespace %s is not a DNS-1123 label", i, quote(rule.Namespace)))
		}
		if rule.Name != "*" && len(validation.IsDNS1123Label(rule.Name)) > 0 {
			all = append(all, flaw("exports.policy[%d].name %s is neither a DNS-1123 label nor *", i, quote(rule.Name)))
		}
		if _, err := preference.Parse(rule.Prefer); err != nil {
			all = append(all, flaw("exports.policy[%d].prefer: %v", i, err))
		}
	}
	return all
}

func validateSource(members v1alpha1.AgentMembers) []error {
	var all []error
	if err := oneOf("members.source", members.Source, SourceSecrets, SourceFolder); err != nil {
		all = append(all, err)
	}
	if len(validation.IsDNS1123Label(members.Namespace)) > 0 {
		all = append(all, flaw("members.namespace %s is not a DNS-1123 label", quote(members.Namespace)))
	}
	if members.Source == SourceFolder && !filepath.IsAbs(members.Folder) {
		all = append(all, flaw("members.folder %s is not an absolute path", quote(members.Folder)))
	}
	if members.Source == SourceSecrets && members.Folder != "" {
		all = append(all, flaw("members.folder is set, but members.source is %s", SourceSecrets))
	}
	return all
}

// mostChecks would keep a whole core of a gateway busy: 1,000 take a twentieth.
const mostChecks = 20_000

func validateLimits(limits v1alpha1.AgentLimits) []error {
	var all []error
	for _, one := range []struct {
		field string
		value int64
	}{
		{"services", *limits.Services},
		{"endpoints", *limits.Endpoints},
		{"bytes", *limits.Bytes},
		{"eventsPerSecond", *limits.EventsPerSecond},
	} {
		if one.value < 1 || one.value > 1<<40 {
			all = append(all, flaw("limits.%s is %d: it must be at least 1, and at most 2^40", one.field, one.value))
		}
	}
	for _, one := range []struct {
		field string
		value *int64
	}{
		{"exportersPerService", limits.ExportersPerService},
		{"portsPerService", limits.PortsPerService},
		{"endpointsPerService", limits.EndpointsPerService},
	} {
		if one.value != nil && (*one.value < 1 || *one.value > math.MaxInt32) {
			all = append(all, flaw("limits.%s is %d: it must be from 1 to %d; leave it out for no limit", one.field, *one.value, math.MaxInt32))
		}
	}
	if checks := *limits.Checks; checks < 0 || checks > mostChecks {
		all = append(all, flaw("limits.checks is %d: it must be from 0 to %d", checks, mostChecks))
	}
	return all
}

func validateProbe(file *v1alpha1.AgentConfig) []error {
	var all []error
	if authority := file.Probe.Authority; authority != "" {
		host, port, err := net.SplitHostPort(authority)
		if number, numberErr := strconv.Atoi(port); err != nil || numberErr != nil || number < 1 || number > 65535 || host == "" {
			all = append(all, flaw("probe.authority %s is not HOST:PORT", quote(authority)))
		}
		if file.DataPlane == DataPlaneEnvoy {
			all = append(all, flaw("probe.authority is set, but dataPlane is %s: its agent signs certificates itself", DataPlaneEnvoy))
		}
	}
	for field, path := range map[string]string{"probe.root": file.Probe.Root, "probe.token": file.Probe.Token} {
		if !filepath.IsAbs(path) {
			all = append(all, flaw("%s %s is not an absolute path", field, quote(path)))
		}
	}
	if err := address("probe.listen", file.Probe.Listen); err != nil {
		all = append(all, err)
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return all
}

func oneOf(field, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return flaw("%s %s is not one of %s", field, quote(value), strings.Join(words, ", "))
}

// duration reads a duration of at least a second: none of them makes sense below.
func duration(field, text string) (time.Duration, error) {
	value, err := time.ParseDuration(text)
	if err != nil {
		return 0, flaw("%s %s is not a duration such as 90s or 15m", field, quote(text))
	}
	if value < time.Second {
		return 0, flaw("%s %s is shorter than a second", field, quote(text))
	}
	return value, nil
}

// address checks [HOST]:PORT to listen on.
func address(field, text string) error {
	host, port, err := net.SplitHostPort(text)
	number, numberErr := strconv.Atoi(port)
	if err != nil || numberErr != nil || number < 1 || number > 65535 ||
		host != "" && net.ParseIP(host) == nil && host != "localhost" {
		return flaw("%s %s is not an address to listen on, [IP]:PORT", field, quote(text))
	}
	return nil
}

// loopback checks [HOST]:PORT that nobody else may reach: what is served there
// shows the inside of all clusters and asks nobody who he is.
func loopback(field, text string) error {
	if err := address(field, text); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(text)
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return flaw("%s %s is not on loopback: use 127.0.0.1:PORT and kubectl port-forward", field, quote(text))
}

// quote shows a value of the user's, cut to a readable length.
func quote(value string) string {
	const most = 80
	if len(value) > most {
		return fmt.Sprintf("%s...", strconv.QuoteToASCII(value[:most]))
	}
	return strconv.QuoteToASCII(value)
}
