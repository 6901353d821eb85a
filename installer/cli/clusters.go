package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/render"
	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// clusterFlags name the clusters of a command and the mesh they form.
type clusterFlags struct {
	file        string
	kubeconfigs []string
	contexts    []string
	meshID      string
	istioNS     string
	revisions   []string
	noExec      bool
	// least is how many clusters the command needs.
	least int
}

func (c *clusterFlags) add(flags *pflag.FlagSet) {
	flags.StringVarP(&c.file, "file", "f", "", "mesh file; - for standard input")
	flags.StringArrayVar(&c.kubeconfigs, "kubeconfig", nil, "a cluster as [NAME=]PATH[#CONTEXT]; repeat for each")
	flags.StringArrayVar(&c.contexts, "context", nil, "a cluster as a context of the default kubeconfig; repeat for each")
	flags.StringVar(&c.meshID, "mesh", "", "mesh ID (default: what all istiods say)")
	flags.StringVar(&c.istioNS, "istio-namespace", "", "namespace of istiod (default "+config.DefaultIstioNamespace+")")
	flags.StringArrayVar(&c.revisions, "revision", nil, "istiod revision or tag, [NAME=]REVISION (default: the default tag, else the only one)")
	flags.BoolVar(&c.noExec, "no-exec", false, "refuse kubeconfigs that start a credential plugin")
}

// resolve reads the mesh and its kubeconfigs and validates all of it. adjust
// puts further flags into the mesh before it is checked; nil for none.
func (c *clusterFlags) resolve(env *Env, positional []string, adjust func(*config.Mesh) error) (config.Mesh, []installer.Cluster, error) {
	mesh, err := c.mesh(env)
	if err != nil {
		return config.Mesh{}, nil, err
	}
	loaded, err := c.load(env, mesh, positional)
	if err != nil {
		return config.Mesh{}, nil, err
	}
	if err := perCluster(mesh, "revision", c.revisions, func(cluster *v1alpha1.Cluster, value string) { cluster.Revision = value }); err != nil {
		return config.Mesh{}, nil, err
	}
	if adjust != nil {
		if err := adjust(mesh); err != nil {
			return config.Mesh{}, nil, err
		}
	}
	config.Default(mesh)
	if err := errors.Join(config.Validate(mesh), checkValues(mesh)); err != nil {
		return config.Mesh{}, nil, err
	}
	clusters := make([]installer.Cluster, len(loaded))
	for i, one := range loaded {
		clusters[i] = installer.Cluster{Spec: mesh.Spec.Clusters[i], Kubeconfig: one}
		if one.UsesExec() {
			fmt.Fprintf(env.Stderr, "note: %s: its kubeconfig starts the credential plugin %s\n", mesh.Spec.Clusters[i].Name, one.ExecCommand)
		}
	}
	return *mesh, clusters, nil
}

func (c *clusterFlags) mesh(env *Env) (*config.Mesh, error) {
	mesh := &config.Mesh{}
	if c.file != "" {
		loaded, err := config.Load(c.file, func() ([]byte, error) { return io.ReadAll(io.LimitReader(env.Stdin, 2<<20)) })
		if err != nil {
			return nil, err
		}
		mesh = loaded
	}
	if c.meshID != "" {
		mesh.Metadata.Name = c.meshID
	}
	if c.istioNS != "" {
		mesh.Spec.IstioNamespace = c.istioNS
	}
	return mesh, nil
}

// load reads the kubeconfig of every cluster, adds those of flags and arguments
// to the mesh, and gives a name to each that has none.
func (c *clusterFlags) load(env *Env, mesh *config.Mesh, positional []string) ([]*kubeconfig.Cluster, error) {
	policy := kubeconfig.CommandLine(!c.noExec)
	defaults := kubeconfig.DefaultPaths(env.Getenv, env.Home)
	var loaded []*kubeconfig.Cluster
	var failures []error
	add := func(cluster *kubeconfig.Cluster, err error) {
		if err != nil {
			failures = append(failures, err)
			return
		}
		loaded = append(loaded, cluster)
	}
	for _, cluster := range mesh.Spec.Clusters {
		if cluster.Kubeconfig != "" {
			add(kubeconfig.Load(kubeconfig.Ref{Path: cluster.Kubeconfig, Context: cluster.Context}, policy))
			continue
		}
		add(first(kubeconfig.LoadDefault(defaults, []string{cluster.Context}, policy)))
	}
	for _, argument := range append(append([]string{}, c.kubeconfigs...), positional...) {
		ref, err := kubeconfig.ParseRef(argument)
		if err == nil && ref.Name != "" {
			err = identity.CheckName(ref.Name)
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		mesh.Spec.Clusters = append(mesh.Spec.Clusters, v1alpha1.Cluster{Name: ref.Name, Kubeconfig: ref.Path, Context: ref.Context})
		add(kubeconfig.Load(ref, policy))
	}
	if len(c.contexts) > 0 {
		clusters, err := kubeconfig.LoadDefault(defaults, c.contexts, policy)
		if err != nil {
			failures = append(failures, err)
		}
		for _, cluster := range clusters {
			mesh.Spec.Clusters = append(mesh.Spec.Clusters, v1alpha1.Cluster{Context: cluster.Context})
			add(cluster, nil)
		}
	}
	if len(failures) > 0 {
		return nil, errors.Join(failures...)
	}
	if len(loaded) < c.least {
		return nil, problem.New(problem.Input, "TooFewClusters", "need at least %d clusters, got %d", c.least, len(loaded)).WithFix(namingFix)
	}
	if len(loaded) == 0 {
		return nil, problem.New(problem.Input, "NoClusters", "no cluster is named").WithFix(namingFix)
	}
	nameClusters(mesh, loaded)
	return loaded, nil
}

func first(clusters []*kubeconfig.Cluster, err error) (*kubeconfig.Cluster, error) {
	if err != nil {
		return nil, err
	}
	return clusters[0], nil
}

// nameClusters names the clusters that the user did not, after their contexts.
func nameClusters(mesh *config.Mesh, loaded []*kubeconfig.Cluster) {
	names := make([]string, len(loaded))
	for i, cluster := range mesh.Spec.Clusters {
		names[i] = cluster.Name
		if names[i] == "" {
			names[i] = identity.MemberName(loaded[i].Context)
		}
	}
	distinct := identity.UniqueNames(names)
	for i := range mesh.Spec.Clusters {
		if mesh.Spec.Clusters[i].Name == "" {
			mesh.Spec.Clusters[i].Name = distinct[i]
		}
	}
}

// namingFix tells how clusters are named on the command line.
const namingFix = "name each with --kubeconfig [NAME=]PATH[#CONTEXT] or --context, or give a mesh file with -f"

// perCluster applies [NAME=]VALUE arguments: with a name to that cluster,
// without to all.
func perCluster(mesh *config.Mesh, flag string, arguments []string, set func(*v1alpha1.Cluster, string)) error {
	for _, argument := range arguments {
		name, value, named := strings.Cut(argument, "=")
		if !named {
			for i := range mesh.Spec.Clusters {
				set(&mesh.Spec.Clusters[i], argument)
			}
			continue
		}
		found := false
		for i := range mesh.Spec.Clusters {
			if mesh.Spec.Clusters[i].Name == name {
				set(&mesh.Spec.Clusters[i], value)
				found = true
			}
		}
		if !found {
			return problem.New(problem.Input, "UnknownCluster", "--%s %s names no cluster of this command", flag, argument).
				WithFix("the clusters are %s", strings.Join(clusterNames(mesh), ", "))
		}
	}
	return nil
}

func clusterNames(mesh *config.Mesh) []string {
	names := make([]string, len(mesh.Spec.Clusters))
	for i, cluster := range mesh.Spec.Clusters {
		names[i] = cluster.Name
	}
	return names
}

// gatewayFlags shape the gateways of a command.
type gatewayFlags struct {
	networks     []string
	platforms    []string
	sourceRanges []string
	advertise    []string
	public       bool
	sets         []string
	valuesFiles  []string
	namespace    string
	adopt        bool
}

func (g *gatewayFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&g.networks, "network", nil, "network of the pods, [NAME=]NETWORK (default: what istiod says)")
	flags.StringArrayVar(&g.platforms, "platform", nil, "preset of gateway values, [NAME=]PLATFORM: "+strings.Join(render.Platforms(), ", ")+" (default: guessed from the nodes)")
	flags.StringSliceVar(&g.sourceRanges, "source-ranges", nil, "CIDRs that may dial the gateways")
	flags.BoolVar(&g.public, "public", false, "let every address dial the gateways")
	flags.StringArrayVar(&g.advertise, "advertise", nil, "address peers dial instead of the gateway Service's, NAME=HOST[:PORT] (NAT, VIP, node port)")
	flags.StringArrayVar(&g.sets, "set", nil, "a value of the gateway chart, a.b=c")
	flags.StringArrayVar(&g.valuesFiles, "values", nil, "file with values of the gateway chart")
	flags.StringVar(&g.namespace, "gateway-namespace", "", "namespace of the gateways (default: istiod's)")
	flags.BoolVar(&g.adopt, "adopt", false, "take over objects that kubectl, helm or istioctl made")
}

func (g *gatewayFlags) apply(mesh *config.Mesh) error {
	if err := errors.Join(config.SourceRanges(g.sourceRanges), checkNetworks(g.networks)); err != nil {
		return err
	}
	if config.Internet(g.sourceRanges) && !g.public {
		return problem.New(problem.Refused, "PublicGateway", "source ranges %s let every address of the Internet in", strings.Join(g.sourceRanges, ",")).
			WithFix("name the peers' addresses with --source-ranges CIDR,..., or say --public")
	}
	if len(g.sourceRanges) > 0 {
		mesh.Spec.Gateway.SourceRanges = g.sourceRanges
	}
	if g.public {
		mesh.Spec.Gateway.Public = &g.public
	}
	if g.namespace != "" {
		mesh.Spec.Gateway.Namespace = g.namespace
	}
	values, err := g.values()
	if err != nil {
		return err
	}
	for i := range mesh.Spec.Clusters {
		own := &mesh.Spec.Clusters[i].Gateway
		own.Values = render.Merge(mesh.Spec.Gateway.Values, own.Values, values)
	}
	return errors.Join(
		perCluster(mesh, "network", g.networks, func(c *v1alpha1.Cluster, v string) { c.Network = v }),
		perCluster(mesh, "platform", g.platforms, func(c *v1alpha1.Cluster, v string) { c.Platform = v }),
		perCluster(mesh, "advertise", g.advertise, func(c *v1alpha1.Cluster, v string) {
			c.Gateway.AdvertisedAddresses = append(c.Gateway.AdvertisedAddresses, v)
		}),
		checkPlatforms(mesh))
}

// checkNetworks rejects a network that is named but empty.
func checkNetworks(arguments []string) error {
	for _, argument := range arguments {
		name, value, named := strings.Cut(argument, "=")
		if !named {
			value = name
		}
		if err := config.LabelValue("network", value); err != nil {
			return err
		}
	}
	return nil
}

// values reads --values files and --set arguments, later ones over earlier.
func (g *gatewayFlags) values() (render.Values, error) {
	var layers []render.Values
	for _, path := range g.valuesFiles {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, problem.New(problem.Input, "ValuesInvalid", "read values file").Because(err)
		}
		layer := render.Values{}
		if err := yaml.UnmarshalStrict(text, &layer); err != nil {
			return nil, problem.New(problem.Input, "ValuesInvalid", "values file %s", path).Because(err)
		}
		layers = append(layers, layer)
	}
	set, err := render.Set(g.sets)
	if err != nil {
		return nil, err
	}
	return render.Merge(append(layers, set)...), nil
}

// checkValues rejects gateway values that the chart does not know before any
// cluster is contacted.
func checkValues(mesh *config.Mesh) error {
	for _, cluster := range mesh.Spec.Clusters {
		if err := render.CheckValues("eastwest-gateway", mesh.Spec.Gateway.Values, cluster.Gateway.Values); err != nil {
			return err
		}
	}
	return nil
}

func checkPlatforms(mesh *config.Mesh) error {
	for _, cluster := range mesh.Spec.Clusters {
		if _, err := render.Platform(cluster.Platform); err != nil {
			return err
		}
	}
	return nil
}
