package installer

import (
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/installer/render"
)

// The agent's namespace and the names of its objects and sets.
const (
	agentNamespace   = peer.AccountNamespace
	agentName        = "eastwest-agent"
	agentSet         = "agent"
	crdSet           = "crds"
	plainGatewayName = "eastwest-gateway"
)

// upWithoutMesh takes the steps of a mesh whose members run no Istio: the agent
// of each drives its gateway.
func (in *Installer) upWithoutMesh(ctx context.Context) error {
	if err := errors.Join(in.needImages(), in.checkPlainGateways(), in.checkPlainTopology()); err != nil {
		return err
	}
	if err := in.Preflight(ctx, plainChecks()...); err != nil {
		return err
	}
	if err := in.checkClusterProperties(ctx); err != nil {
		return err
	}
	if err := in.Authority(ctx); err != nil {
		return err
	}
	in.Agent(ctx)
	in.plainGateway(ctx)
	in.pointDNS(ctx)
	return in.connectAgents(ctx)
}

// plainChecks are the preflight checks that have a meaning without Istio.
func plainChecks() []string {
	return []string{"DuplicateCluster", "SameNetwork", "PodCIDROverlap"}
}

// Agent brings the discovery agent into every member: its types, then itself.
func (in *Installer) Agent(ctx context.Context) {
	in.each(ctx, agentSet, func(ctx context.Context, s *site) error {
		types, err := in.agentTypes(ctx, s)
		if err != nil {
			return err
		}
		if _, err := in.applySet(ctx, s, apply.Set{Name: crdSet, Objects: types}); err != nil {
			return err
		}
		if s.mcs, err = in.wantedMCS(ctx, s); err != nil {
			return err
		}
		objects, err := in.agentObjects(s)
		if err != nil {
			return err
		}
		if _, err := in.applySet(ctx, s, apply.Set{Name: agentSet, Objects: objects, Types: kindsOf(types)}); err != nil || in.options.DryRun || in.options.NoWait {
			return err
		}
		return s.applier.Wait(ctx, objects)
	})
}

func (in *Installer) agentObjects(s *site) ([]*unstructured.Unstructured, error) {
	wanted, err := fields(in.agentConfig(s))
	if err != nil {
		return nil, err
	}
	delete(wanted, "apiVersion")
	delete(wanted, "kind")
	layers := []render.Values{in.mesh.Spec.Agent.Values, {"image": in.mesh.Spec.Images.Agent, "config": wanted}}
	if in.mesh.Spec.DNS == config.DNSOff {
		layers = append(layers, render.Values{"dns": map[string]any{"enabled": false}})
	}
	if in.besideIstio() {
		layers = append(layers, s.besideIstioValues()...)
	}
	objects, err := render.Chart(render.Release{Chart: "eastwest-agent", Namespace: agentNamespace, Layers: layers})
	if s.mcs.On() {
		objects = append(objects, clusterProperties(s.name(), in.meshName())...)
	}
	return objects, err
}

// agentConfig is the file that the agent of a member reads.
func (in *Installer) agentConfig(s *site) v1alpha1.AgentConfig {
	plane, id := "none", ""
	if in.withoutMesh() {
		plane = config.DataplaneEnvoy
	} else if istiod := s.plane(); istiod != nil {
		id = istiod.ClusterID
	}
	return v1alpha1.AgentConfig{
		Member:      v1alpha1.AgentMember{Name: s.name(), ClusterID: id, Network: in.networkOf(s), Region: s.region()},
		Mesh:        in.meshName(),
		TrustDomain: in.trustDomain(),
		DataPlane:   plane,
		MCS:         s.mcs,
		Exports:     v1alpha1.AgentExports{Policy: in.mesh.Spec.Agent.Exports},
		Snapshot:    v1alpha1.AgentSnapshot{Folder: "/var/lib/eastwest"},
	}
}

// networkOf is the network of a member: in a mesh without Istio nobody else names
// one, and by default each member is a network of its own.
func (in *Installer) networkOf(s *site) string {
	if network := s.network(); network != "" {
		return network
	}
	return s.name()
}

// meshName is the mesh's ID, which without Istio only the mesh file can say.
func (in *Installer) meshName() string {
	if id := in.meshID(); id != "" {
		return id
	}
	return config.DefaultMesh
}

// region is what the mesh file says, else the nodes' labels.
func (s *site) region() string {
	if s.spec.Region != "" {
		return s.spec.Region
	}
	return s.facts.Region
}

// plainGateway brings a gateway without Istio into every member, and waits until
// it is rolled out and has an address.
func (in *Installer) plainGateway(ctx context.Context) {
	fresh := make([]bool, len(in.sites))
	in.each(ctx, gatewaySet, func(ctx context.Context, s *site) error {
		set, err := in.plainGatewayObjects(s)
		if err != nil {
			return err
		}
		written, err := in.applySet(ctx, s, set)
		if err != nil || in.options.DryRun {
			return err
		}
		fresh[slices.Index(in.sites, s)] = written
		if in.options.NoWait {
			return s.refreshGateways(ctx, false)
		}
		if err := s.applier.Wait(ctx, set.Objects); err != nil {
			return err
		}
		return s.refreshGateways(ctx, true)
	})
	if !in.options.DryRun && !in.options.NoWait {
		in.probeGateways(ctx, fresh)
	}
}

// checkPlainGateways refuses, before anything is written, what plainGateway
// would refuse of the values of a member's gateway.
func (in *Installer) checkPlainGateways() error {
	var refusals []error
	for _, s := range in.alive() {
		if _, err := in.plainGatewayObjects(s); err != nil {
			refusals = append(refusals, onCluster(err, s.name()))
		}
	}
	return errors.Join(refusals...)
}

func (in *Installer) plainGatewayObjects(s *site) (apply.Set, error) {
	platform := s.spec.Platform
	if platform == "" {
		platform = s.facts.Platform
	}
	layers, err := GatewayValues(GatewaySpec{
		Platform: platform, Network: in.networkOf(s), SourceRanges: s.spec.Gateway.SourceRanges,
		Advertised: len(s.spec.Gateway.AdvertisedAddresses) > 0, Values: []render.Values{s.spec.Gateway.Values},
	})
	if err != nil {
		return apply.Set{}, err
	}
	layers = append(layers, render.Values{
		"dataplane": config.DataplaneEnvoy, "name": plainGatewayName, "member": s.name(),
		"trustDomain": in.trustDomain(), "image": in.mesh.Spec.Images.Gateway,
	})
	if err := checkPublic(s.name(), layers, s.spec.Gateway.Public != nil && *s.spec.Gateway.Public); err != nil {
		return apply.Set{}, err
	}
	objects, err := render.Chart(render.Release{Chart: "eastwest-gateway", Namespace: agentNamespace, Layers: layers})
	return apply.Set{Name: gatewaySet, Objects: objects}, err
}

// agentTypes are the types that the agent needs and that the cluster may take
// from us: never one that is newer there, or somebody else's.
func (in *Installer) agentTypes(ctx context.Context, s *site) ([]*unstructured.Unstructured, error) {
	offered, err := render.Types()
	if err != nil {
		return nil, err
	}
	var types []*unstructured.Unstructured
	for _, one := range offered {
		found, err := s.member.Type(ctx, one.GetName())
		if err != nil {
			return nil, err
		}
		if found != nil && !oursToWrite(found, one) {
			in.tell(Event{Cluster: s.name(), Step: crdSet, State: Note, Text: "left as it is: CustomResourceDefinition " + one.GetName()})
			continue
		}
		types = append(types, one)
	}
	return types, nil
}

// kindsOf are the kinds that types define.
func kindsOf(types []*unstructured.Unstructured) []schema.GroupKind {
	kinds := make([]schema.GroupKind, len(types))
	for i, one := range types {
		kinds[i].Group, _, _ = unstructured.NestedString(one.Object, "spec", "group")
		kinds[i].Kind, _, _ = unstructured.NestedString(one.Object, "spec", "names", "kind")
	}
	return kinds
}

// oursToWrite reports whether a type that is there may be written over: it is
// ours, and not of a later release than what we bring.
func oursToWrite(found, offered *unstructured.Unstructured) bool {
	return found.GetLabels()[apply.ManagedByLabel] == apply.FieldManager && !render.NewerType(found, offered)
}

// fields turns a value of our API into the maps that Helm knows.
func fields(value any) (map[string]any, error) {
	text, err := yaml.Marshal(value)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := yaml.Unmarshal(text, &out); err != nil {
		return nil, err
	}
	return runtime.DeepCopyJSON(out), nil
}
