package watch

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/preference"
)

// Namespaces that are ours or the cluster's own.
const (
	gatewayNamespace = "eastwest-system"
	gatewayService   = "eastwest-gateway"
	kubeSystem       = "kube-system"
)

// neverListed are namespaces whose services nobody exports by default. They are
// left out by the server.
var neverListed = []string{gatewayNamespace, "istio-system", "kube-node-lease", "kube-public", kubeSystem}

// policy is what a record allows, read once.
type policy struct {
	// gateway is the Service of the member's gateway.
	gateway      objectID
	allow, deny  []string
	pods         []netip.Prefix
	gateways     []netip.Prefix
	advertised   []model.HostPort
	exportsAll   map[string]rule
	exportsNamed map[model.ServiceKey]rule
	offers       bool
}

func newPolicy(record *v1alpha1.MemberRecord, exports []v1alpha1.ExportRule) (*policy, error) {
	p := &policy{
		gateway: objectID{gatewayNamespace, gatewayService},
		allow:   record.Namespaces.Allow, deny: record.Namespaces.Deny, offers: record.Role != "import",
		exportsAll: map[string]rule{}, exportsNamed: map[model.ServiceKey]rule{},
	}
	for i, one := range exports {
		prefer, err := preference.Parse(one.Prefer)
		if err != nil {
			return nil, fmt.Errorf("rule %d of exports: %w", i, err)
		}
		made := rule{exports: true, prefer: model.Preference(prefer)}
		if one.Name == "*" {
			p.exportsAll[one.Namespace] = made
		} else {
			p.exportsNamed[model.ServiceKey{Namespace: one.Namespace, Name: one.Name}] = made
		}
	}
	if text := record.GatewayService; text != "" {
		namespace, name, found := strings.Cut(text, "/")
		if !found || !model.IsLabel(namespace) || !model.IsLabel(name) {
			return nil, fmt.Errorf("gateway Service %q of member %s is not NAMESPACE/NAME", text, record.Name)
		}
		p.gateway = objectID{namespace, name}
	}
	var err error
	if p.pods, err = prefixes(record.PodCIDRs); err != nil {
		return nil, fmt.Errorf("pod CIDRs of member %s: %w", record.Name, err)
	}
	if p.gateways, err = prefixes(record.GatewayCIDRs); err != nil {
		return nil, fmt.Errorf("gateway CIDRs of member %s: %w", record.Name, err)
	}
	for _, text := range record.Advertised {
		host, port, err := net.SplitHostPort(text)
		number, numberErr := strconv.ParseUint(port, 10, 16)
		if err != nil || numberErr != nil {
			return nil, fmt.Errorf("advertised address %q of member %s is not HOST:PORT", text, record.Name)
		}
		p.advertised = append(p.advertised, model.HostPort{Host: host, Port: uint16(number)})
	}
	return p, nil
}

func prefixes(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		all = append(all, prefix)
	}
	return all, nil
}

// takes reports whether exports of a namespace are taken. The very name in allow
// lifts the default denials, a pattern does not: nobody means kube-system by *.
func (p *policy) takes(namespace string) bool {
	if matches(p.deny, namespace) {
		return false
	}
	if slices.Contains(p.allow, namespace) {
		return true
	}
	if slices.Contains(neverListed, namespace) || strings.HasPrefix(namespace, "kube-") {
		return false
	}
	return len(p.allow) == 0 || matches(p.allow, namespace)
}

func matches(patterns []string, namespace string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		start, isPattern := strings.CutSuffix(pattern, "*")
		return pattern == namespace || isPattern && strings.HasPrefix(namespace, start)
	})
}

// denies reports whether a service is never taken, whatever was exported.
func (p *policy) denies(key model.ServiceKey) bool {
	return key == model.ServiceKey{Namespace: "default", Name: "kubernetes"} || !p.takes(key.Namespace)
}

// skipped is the field selector that leaves out namespaces of which nothing is
// taken, so that their objects are never sent.
func (p *policy) skipped() string {
	var terms []string
	for _, namespace := range neverListed {
		if !p.takes(namespace) {
			terms = append(terms, "metadata.namespace!="+namespace)
		}
	}
	return strings.Join(terms, ",")
}

// rule is what the agent's configuration says of a service.
type rule struct {
	exports bool
	prefer  model.Preference
}

// rule is the one for a service: that which names it, else that of its namespace.
func (p *policy) rule(key model.ServiceKey) rule {
	if named, found := p.exportsNamed[key]; found {
		return named
	}
	return p.exportsAll[key.Namespace]
}

// exported reports whether the agent's configuration exports a service.
func (p *policy) exported(key model.ServiceKey) bool { return p.rule(key).exports }

// validNames checks what ends up in SNI, DNS names and metric labels.
func validNames(key model.ServiceKey) bool {
	return model.IsLabel(key.Namespace) && model.IsLabel(key.Name)
}
