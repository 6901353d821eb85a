package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/installer"
	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/render"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

func newRender(env *Env, global *globalFlags) *cobra.Command {
	options := installer.RenderOptions{}
	gateway := &gatewayFlags{}
	var network, revision, platform, outputDir string
	var force bool
	cmd := &cobra.Command{
		Use: "render", GroupID: "step",
		Short: "Write the objects of one cluster's gateway and exposure, without any cluster",
		Long: `Renders the charts to final objects for kubectl or a GitOps repository. No
cluster is contacted and equal input gives equal bytes.`,
		Example: `  eastwest render --network net-east --revision asm-1232-2 --source-ranges 203.0.113.0/24
  eastwest render --network net-east --platform eks --output-dir out/east`,
		Args: noArguments,
		RunE: func(_ *cobra.Command, _ []string) error {
			if err := checkOutput(global); err != nil {
				return err
			}
			values, err := offlineValues(gateway, &options, network, revision, platform)
			if err != nil {
				return err
			}
			options.Values = values
			objects, err := installer.Render(options)
			if err != nil {
				return err
			}
			if outputDir != "" {
				return writeObjects(outputDir, objects, force)
			}
			return printObjects(env, global, objects)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&network, "network", "", "network of the cluster's pods")
	flags.StringVar(&revision, "revision", "", "revision or tag of the istiod that injects the gateway")
	flags.StringVar(&platform, "platform", "", "preset of gateway values: "+strings.Join(render.Platforms(), ", "))
	flags.StringSliceVar(&gateway.sourceRanges, "source-ranges", nil, "CIDRs that may dial the gateway")
	flags.BoolVar(&gateway.public, "public", false, "let every address dial the gateway")
	flags.StringArrayVar(&gateway.sets, "set", nil, "a value of the gateway chart, a.b=c")
	flags.StringArrayVar(&gateway.valuesFiles, "values", nil, "file with values of the gateway chart")
	flags.StringVar(&options.Namespace, "gateway-namespace", config.DefaultIstioNamespace, "namespace of the gateway")
	flags.BoolVar(&options.SingleCluster, "single-cluster", false, "a gateway for one cluster, without a network")
	flags.BoolVar(&options.Ambient, "ambient", false, "a Gateway API object for ambient mode")
	flags.StringVar(&options.PilotCertProvider, "pilot-cert-provider", "", "render this pilotCertProvider instead of leaving it to the injector")
	flags.BoolVar(&options.NoExpose, "no-expose", false, "leave out the exposure of services")
	flags.StringVar(&outputDir, "output-dir", "", "write one file per object and a kustomization.yaml to this directory")
	flags.BoolVar(&force, "force", false, "overwrite files of --output-dir")
	return cmd
}

// offlineValues checks the flags of a rendering and puts its user values together.
func offlineValues(gateway *gatewayFlags, options *installer.RenderOptions, network, revision, platform string) (render.Values, error) {
	if network != "" {
		if err := config.LabelValue("network", network); err != nil {
			return nil, err
		}
	}
	if network == "" && options.Ambient {
		return nil, problem.New(problem.Input, "NetworkMissing", "no network is named").WithFix("say --network NETWORK")
	}
	if network == "" && !options.SingleCluster {
		return nil, problem.New(problem.Input, "NetworkMissing", "no network is named").
			WithFix("say --network NETWORK, or --single-cluster")
	}
	if err := config.SourceRanges(gateway.sourceRanges); err != nil {
		return nil, err
	}
	options.Network, options.Revision, options.Platform = network, revision, platform
	options.SourceRanges = gateway.sourceRanges
	options.Public = options.Public || gateway.public
	return gateway.values()
}

func printObjects(env *Env, global *globalFlags, objects []*unstructured.Unstructured) error {
	if global.output == "json" {
		list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
		for _, object := range objects {
			list.Items = append(list.Items, *object)
		}
		return printAs(env.Stdout, "json", list.UnstructuredContent(), nil)
	}
	text, err := render.YAML(objects)
	if err != nil {
		return err
	}
	_, err = env.Stdout.Write(text)
	return err
}

// writeObjects writes one file per object, in the order of creation, and a
// kustomization. Nothing is written where a file is in the way.
func writeObjects(dir string, objects []*unstructured.Unstructured, force bool) error {
	files := map[string][]byte{}
	var order []string
	for i, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%02d-%s-%s.yaml", i+1, strings.ToLower(object.GetKind()), object.GetName())
		files[name] = text
		order = append(order, name)
	}
	var kustomization bytes.Buffer
	kustomization.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n")
	for _, name := range order {
		kustomization.WriteString("  - " + name + "\n")
	}
	files["kustomization.yaml"] = kustomization.Bytes()
	order = append(order, "kustomization.yaml")
	if err := checkFree(dir, order, force); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return outputError(dir, err)
	}
	for _, name := range order {
		if err := writeNew(filepath.Join(dir, name), files[name]); err != nil {
			return outputError(filepath.Join(dir, name), err)
		}
	}
	return nil
}

// writeNew writes a file in the place of one that checkFree allowed to be there.
// It never writes through a link.
func writeNew(path string, content []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// checkFree refuses links, and files that exist unless force is set.
func checkFree(dir string, names []string, force bool) error {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return outputError(dir, fmt.Errorf("it is no directory"))
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		switch {
		case err != nil:
		case !info.Mode().IsRegular():
			return outputError(path, fmt.Errorf("it is no regular file"))
		case !force:
			return problem.New(problem.Input, "OutputExists", "%s exists", path).WithFix("say --force to overwrite it")
		}
	}
	return nil
}

func outputError(path string, err error) error {
	return problem.New(problem.Input, "OutputUnwritable", "cannot write %s", path).Because(err)
}

// newGenGateway is the drop-in form of the guide's script.
func newGenGateway(env *Env) *cobra.Command {
	options := installer.RenderOptions{Namespace: config.DefaultIstioNamespace, NoExpose: true, Public: true}
	gateway := &gatewayFlags{}
	var meshID, cluster, network, revision, platform, format string
	cmd := &cobra.Command{
		Use: "gen-eastwest-gateway", GroupID: "guide",
		Short: "Drop-in for the guide's gen-eastwest-gateway.sh",
		Long: `Writes the definition of an east-west gateway to stdout: as an IstioOperator for
istioctl, so that the guide's pipe works unchanged, or as complete objects for
kubectl, which need no istioctl.

Ports 15443 and 15021 are published; 15012 and 15017 with --expose-control-plane.`,
		Example: `  eastwest gen-eastwest-gateway --mesh proj-1234 --cluster cn-p-global-east --network net-east --revision asm-1232-2 | istioctl install -y -f -
  eastwest gen-eastwest-gateway --network net-east --format yaml | kubectl apply -f -`,
		Args: noArguments,
		RunE: func(_ *cobra.Command, _ []string) error {
			values, err := offlineValues(gateway, &options, network, revision, platform)
			if err != nil {
				return err
			}
			options.Values = values
			if len(gateway.sourceRanges) == 0 || config.Internet(gateway.sourceRanges) {
				fmt.Fprintln(env.Stderr, "warning: this gateway is open to every address that can route to it; limit it with --source-ranges CIDR,...")
			}
			switch format {
			case "iop":
				return writeIOP(env, options)
			case "yaml":
				objects, err := installer.Render(options)
				if err != nil {
					return err
				}
				return printObjects(env, &globalFlags{output: "yaml"}, objects)
			}
			return problem.New(problem.Input, "InvalidFormat", "--format %q", format).WithFix("use iop or yaml")
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&meshID, "mesh", "", "mesh ID; accepted as in the guide, the gateway does not depend on it")
	flags.StringVar(&cluster, "cluster", "", "cluster name; accepted as in the guide, the gateway does not depend on it")
	flags.StringVar(&network, "network", "", "network of the cluster's pods")
	flags.StringVar(&revision, "revision", "", "revision of the istiod that injects the gateway")
	flags.StringVar(&platform, "platform", "", "preset of gateway values, with --format yaml")
	flags.StringVar(&format, "format", "iop", "iop (for istioctl) or yaml (for kubectl)")
	flags.BoolVar(&options.SingleCluster, "single-cluster", false, "a gateway for one cluster, without a network")
	flags.BoolVar(&options.Ambient, "ambient", false, "a Gateway API object for ambient mode")
	flags.BoolVar(&options.ExposeControlPlane, "expose-control-plane", false, "publish 15012 and 15017 too")
	flags.StringVar(&options.PilotCertProvider, "pilot-cert-provider", "", "render this pilotCertProvider")
	flags.StringSliceVar(&gateway.sourceRanges, "source-ranges", nil, "CIDRs that may dial the gateway")
	flags.StringArrayVar(&gateway.sets, "set", nil, "a value of the gateway chart, with --format yaml")
	flags.StringArrayVar(&gateway.valuesFiles, "values", nil, "file with values of the gateway chart, with --format yaml")
	return cmd
}

func writeIOP(env *Env, options installer.RenderOptions) error {
	object, err := installer.IstioOperator(options)
	if err != nil {
		return err
	}
	return printObjects(env, &globalFlags{output: "yaml"}, []*unstructured.Unstructured{object})
}
