package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/member"
	"github.com/eastwest-mesh/eastwest/installer/render"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Names of the sets of a member.
const (
	gatewaySet = "gateway"
	exposeSet  = "expose"
	trustSet   = "trust"
)

// Gateway brings an east-west gateway into every member, or reuses the one that
// works there, and waits until it is rolled out and has an address.
func (in *Installer) Gateway(ctx context.Context) {
	in.each(ctx, "gateway", func(ctx context.Context, s *site) error {
		if foreign := foreignGateway(s); foreign != nil && !in.options.Adopt {
			return in.reuseGateway(s, foreign)
		}
		if err := in.labelNetwork(ctx, s); err != nil {
			return err
		}
		set, err := in.gatewayObjects(ctx, s)
		if err != nil {
			return err
		}
		if _, err := in.applySet(ctx, s, set); err != nil || in.options.DryRun {
			return err
		}
		if in.options.NoWait {
			return s.refreshGateways(ctx, false)
		}
		if err := s.applier.Wait(ctx, set.Objects); err != nil {
			return err
		}
		return s.refreshGateways(ctx, true)
	})
}

// GatewayValues are the values of a member's gateway, lowest layer first: the
// platform's preset, the mesh's, the member's own, and what eastwest decides.
func GatewayValues(s GatewaySpec) ([]render.Values, error) {
	preset, err := render.Platform(s.Platform)
	if err != nil {
		return nil, err
	}
	decided := render.Values{"network": s.Network, "revision": s.Revision}
	if s.Revision == "default" {
		decided["revision"] = ""
	}
	service := map[string]any{}
	if len(s.SourceRanges) > 0 {
		ranges := make([]any, len(s.SourceRanges))
		for i, one := range s.SourceRanges {
			ranges[i] = one
		}
		service["loadBalancerSourceRanges"] = ranges
	}
	decided["service"] = service
	if s.SingleCluster {
		decided["singleCluster"] = true
	}
	if s.Ambient {
		decided["mode"] = "ambient"
	}
	if s.Advertised {
		decided["networkLabelOnService"] = false
	}
	if s.PilotCertProvider != "" {
		decided["env"] = map[string]any{"PILOT_CERT_PROVIDER": s.PilotCertProvider}
	}
	layers := append([]render.Values{preset}, s.Values...)
	return append(layers, decided), nil
}

// GatewaySpec is what a member's gateway depends on.
type GatewaySpec struct {
	Platform, Network, Revision string
	SourceRanges                []string
	SingleCluster, Ambient      bool
	// Advertised is true where peers dial another address than the Service's.
	Advertised        bool
	PilotCertProvider string
	// Values of the user, lowest layer first.
	Values []render.Values
}

// checkGateways refuses, before anything is written, what Gateway would refuse
// of the values of a member's gateway.
func (in *Installer) checkGateways(ctx context.Context) error {
	var refusals []error
	for _, s := range in.alive() {
		if foreignGateway(s) != nil && !in.options.Adopt {
			continue
		}
		var refusal *problem.Error
		_, err := in.gatewayObjects(ctx, s)
		if errors.As(err, &refusal) {
			refusals = append(refusals, onCluster(refusal, s.name()))
		}
	}
	return errors.Join(refusals...)
}

// labelNetwork names the network of a cluster on istiod's namespace where nobody
// has: istiod reads it from there.
func (in *Installer) labelNetwork(ctx context.Context, s *site) error {
	if s.facts.NamespaceNetwork != "" {
		return nil
	}
	_, err := in.carryOut(ctx, s, apply.LabelNamespace(s.member.IstioNamespace, member.NetworkLabel, s.network()))
	return err
}

func (in *Installer) gatewayObjects(ctx context.Context, s *site) (apply.Set, error) {
	spec := s.spec
	platform := spec.Platform
	if platform == "" {
		platform = s.facts.Platform
	}
	layers, err := GatewayValues(GatewaySpec{
		Platform: platform, Network: s.network(), Revision: s.plane().Revision,
		SourceRanges: spec.Gateway.SourceRanges, Advertised: len(spec.Gateway.AdvertisedAddresses) > 0,
		SingleCluster: in.options.SingleCluster, Ambient: in.options.Ambient,
		PilotCertProvider: in.options.PilotCertProvider, Values: []render.Values{spec.Gateway.Values},
	})
	if err != nil {
		return apply.Set{}, err
	}
	selector, err := s.member.DeploymentSelector(ctx, spec.Gateway.Namespace, gatewayName(layers))
	if err != nil {
		return apply.Set{}, err
	}
	if len(selector) > 0 {
		layers = append(layers, render.Values{"selectorLabels": anyMap(selector)})
	}
	public := in.options.Ambient || spec.Gateway.Public != nil && *spec.Gateway.Public
	if err := checkPublic(s.name(), layers, public); err != nil {
		return apply.Set{}, err
	}
	objects, err := render.Chart(render.Release{Chart: "eastwest-gateway", Namespace: spec.Gateway.Namespace, Layers: layers})
	return apply.Set{Name: gatewaySet, Objects: objects}, err
}

// gatewayName is the name that the layers give to the gateway's objects.
func gatewayName(layers []render.Values) string {
	if name, ok := render.Merge(layers...)["name"].(string); ok {
		return name
	}
	return "istio-eastwestgateway"
}

func anyMap(from map[string]string) map[string]any {
	to := map[string]any{}
	for key, value := range from {
		to[key] = value
	}
	return to
}

// checkPublic refuses a gateway that the whole Internet may dial, unless asked for.
func checkPublic(name string, layers []render.Values, public bool) error {
	if public {
		return nil
	}
	service, _ := render.Merge(layers...)["service"].(map[string]any)
	ranges := texts(service["loadBalancerSourceRanges"])
	fix := "name the peers' addresses with --source-ranges CIDR,..., or say --public"
	if config.Internet(ranges) {
		return problem.New(problem.Refused, "PublicGateway", "source ranges %s let every address of the Internet in", strings.Join(ranges, ",")).
			On(name).WithFix("%s", fix)
	}
	kind, _ := service["type"].(string)
	if len(ranges) > 0 || kind == "ClusterIP" || Internal(service) {
		return nil
	}
	return problem.New(problem.Refused, "PublicGateway", "its gateway would be open to every address that can route to it").
		On(name).WithFix("%s", fix)
}

// internalAnnotations make a cloud's load balancer private.
var internalAnnotations = map[string]string{
	"networking.gke.io/load-balancer-type":                           "Internal",
	"service.beta.kubernetes.io/azure-load-balancer-internal":        "true",
	"service.beta.kubernetes.io/aws-load-balancer-scheme":            "internal",
	"service.beta.kubernetes.io/aws-load-balancer-internal":          "true",
	"service.beta.kubernetes.io/oci-load-balancer-internal":          "true",
	"service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type": "private",
}

// Internal reports whether a gateway's Service asks for a private load balancer.
func Internal(service map[string]any) bool {
	annotations, _ := service["annotations"].(map[string]any)
	for name, value := range internalAnnotations {
		if annotations[name] == value {
			return true
		}
	}
	return false
}

func texts(value any) []string {
	list, _ := value.([]any)
	out := make([]string, 0, len(list))
	for _, one := range list {
		out = append(out, fmt.Sprint(one))
	}
	return out
}

// foreignGateway is a gateway for the member's network that is not ours.
func foreignGateway(s *site) *member.Gateway {
	for i, gateway := range s.facts.Gateways {
		if gateway.Labels[apply.ManagedByLabel] != apply.FieldManager && gateway.Network == s.network() && gateway.Network != "" {
			return &s.facts.Gateways[i]
		}
	}
	return nil
}

// reuseGateway leaves a working gateway of somebody else's alone, and explains
// one that does not work.
func (in *Installer) reuseGateway(s *site, gateway *member.Gateway) error {
	object := "Service " + gateway.Namespace + "/" + gateway.Name
	broken := ""
	switch {
	case gateway.Port == 0:
		broken = fmt.Sprintf("it has no port %d", member.GatewayPort)
	case gateway.Ready == 0:
		broken = "no ready pod is behind it"
	case len(gateway.Addresses) == 0:
		broken = "it has no address that peers can dial"
	}
	if broken != "" {
		return problem.New(problem.Refused, "GatewayHalfWorking", "it has an east-west gateway that does not work: %s", broken).
			On(s.name()).About(object).
			WithFix("mend or delete it, or hand it to eastwest with --adopt")
	}
	in.tell(Event{Cluster: s.name(), Step: "gateway", State: Note, Text: "reused " + object})
	return nil
}

// ours is the gateway that eastwest made in a member; nil where there is none.
func (s *site) ours() *member.Gateway {
	for i, gateway := range s.facts.Gateways {
		if gateway.Labels[apply.ManagedByLabel] == apply.FieldManager {
			return &s.facts.Gateways[i]
		}
	}
	return nil
}

// gateway is the gateway of the member's network, ours or another's.
func (s *site) gateway() *member.Gateway {
	if own := s.ours(); own != nil {
		return own
	}
	return foreignGateway(s)
}

// refreshGateways reads the gateways again; with await it waits until ours has
// an address and a ready pod.
func (s *site) refreshGateways(ctx context.Context, await bool) error {
	missing := "it was not read"
	err := apply.Poll(ctx, func(ctx context.Context) (bool, error) {
		gateways, err := s.member.Gateways(ctx)
		if err != nil {
			return false, err
		}
		s.facts.Gateways = gateways
		own := s.ours()
		switch {
		case !await:
			return true, nil
		case own == nil:
			missing = "its Service does not exist"
		case own.Ready == 0:
			missing = "it has no ready pod"
		case len(own.Addresses) == 0 && own.Type == "LoadBalancer" && len(s.spec.Gateway.AdvertisedAddresses) == 0:
			missing = "its load balancer has given it no address"
		default:
			return true, nil
		}
		return false, nil
	})
	if err != nil && ctx.Err() != nil {
		return problem.New(problem.Cluster, "GatewayNotReady", "its gateway is not usable: %s", missing).On(s.name()).
			WithFix("kubectl --context %s -n %s describe service istio-eastwestgateway", s.spec.Context, s.spec.Gateway.Namespace)
	}
	return err
}

// coveredBy reports whether an exposure lets peers reach every host of want.
func coveredBy(exposure member.Exposure, want []string) bool {
	for _, host := range want {
		if !slices.Contains(exposure.Hosts, host) && !slices.Contains(exposure.Hosts, "*/"+host) &&
			!slices.Contains(exposure.Hosts, "*.local") && !slices.Contains(exposure.Hosts, "*") {
			return false
		}
	}
	return true
}
