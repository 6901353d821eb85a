package node

import (
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

var tools = Tools{Kubernetes: "/tools/kubernetes", Lab: "/tools/lab/lab"}

// hostPaths are the only paths outside a cluster's own directories that its
// processes may be told of: everything else would outlive "lab down" or clash
// with another cluster.
var hostPaths = regexp.MustCompile(`^/(tools/.*|usr/lib/cni|var/lib/kubelet|var/log/containers|lab-c1|v1beta1)$`)

var absolutePath = regexp.MustCompile(`(?:^|[\s="'{,:\[])(/[A-Za-z][^\s"',}\]]*)`)

func TestNothingIsWrittenElsewhere(t *testing.T) {
	t.Parallel()
	c := plan.Lab{Name: "lab"}.Cluster(1)
	texts := configFiles(c)
	for _, name := range Components() {
		texts[name] = strings.Join(Command(name, c, tools), "\n")
	}
	for name, text := range texts {
		for _, match := range absolutePath.FindAllStringSubmatch(text, -1) {
			path := match[1]
			if !strings.HasPrefix(path, c.Dir()+"/") && !strings.HasPrefix(path, c.RunDir()+"/") && !hostPaths.MatchString(path) {
				t.Errorf("%s names %s, which is not the cluster's own", name, path)
			}
		}
	}
}

func TestEveryComponentHasACommand(t *testing.T) {
	t.Parallel()
	c := plan.Lab{Name: "lab"}.Cluster(1)
	for _, name := range Components() {
		line := Command(name, c, tools)
		if len(line) < 2 || line[0] == "" {
			t.Errorf("%s: command %q", name, line)
		}
	}
}

func TestKubeletConfigOfTheTraps(t *testing.T) {
	t.Parallel()
	var config map[string]any
	if err := yaml.UnmarshalStrict([]byte(kubeletConfig(plan.Lab{Name: "e2e"}.Cluster(3))), &config); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"failCgroupV1": false, "cgroupDriver": "cgroupfs", "cgroupRoot": "/e2e-c3",
		"containerRuntimeEndpoint": "unix:///run/e2e-c3/containerd.sock", "imageGCHighThresholdPercent": float64(100),
	} {
		if config[key] != want {
			t.Errorf("%s = %v, want %v", key, config[key], want)
		}
	}
}

func TestOnlySeparateNetworksMasqueradeInCNI(t *testing.T) {
	t.Parallel()
	for flat, want := range map[bool]string{false: `"ipMasq": true`, true: `"ipMasq": false`} {
		if got := cniConfig(plan.Lab{Name: "lab", Flat: flat}.Cluster(1)); !strings.Contains(got, want) {
			t.Errorf("flat %t: no %s in\n%s", flat, want, got)
		}
	}
}
