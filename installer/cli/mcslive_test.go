package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/render"
	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// TestTheSwitchOnALiveAPIServer turns multi-cluster Services on and off where an agent
// is installed that never runs. The steps follow each other.
func TestTheSwitchOnALiveAPIServer(t *testing.T) {
	kube, live := testapi.Client(t), liveKubeconfig(t)
	one := []string{"--kubeconfig", "live=" + live}
	dir := t.TempDir()
	if err := errors.Join(os.CopyFS(filepath.Join(dir, "kube"), os.DirFS("testdata/kube")), writePKI(filepath.Join(dir, "pki"))); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(dir, "kube", "east.yaml")
	mcs := func(command string, more ...string) []string {
		return append(append([]string{"mcs", command}, one...), more...)
	}

	t.Run("without an agent there is nothing to turn on", func(t *testing.T) {
		expect(t, problem.ExitRefused, nil, []string{"NoAgent: it has no agent", "fix: join it first: eastwest up"}, mcs("enable")...)
		expect(t, problem.ExitOK, []string{"DISABLED", "live: Multi-cluster Services are not set up in this cluster"}, nil, mcs("describe")...)
	})
	before := installPaperAgent(t)
	t.Run("an agent of another name is not touched", func(t *testing.T) {
		expect(t, problem.ExitRefused, nil, []string{`OtherName: its agent knows it as member "live"`, "fix: name it so: --kubeconfig live=PATH"},
			"mcs", "disable", "--yes", "--kubeconfig", "other="+live)
	})
	t.Run("enabled where it is on already: types and properties", func(t *testing.T) {
		expect(t, problem.ExitOK, []string{
			"created     CustomResourceDefinition serviceimports.net.gke.io", "unchanged   Deployment eastwest-system/eastwest-agent", "created     ClusterProperty clusterset.k8s.io",
		}, nil, mcs("enable", "--wait=false")...)
		wantUnchanged(t, mcs("enable", "--wait=false")...)
		expect(t, problem.ExitOK, []string{"ENABLING", "live    eu-1      WARNING", "live: Firewall creation pending: no replica of its agent is ready"}, nil, mcs("describe")...)
	})
	t.Run("disabled: exports go, and the agent is told", func(t *testing.T) {
		space := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "mcs-live"}}
		create(t, schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, "", space)
		for _, version := range []string{"multicluster.x-k8s.io/v1beta1", "net.gke.io/v1"} {
			at, err := schema.ParseGroupVersion(version)
			if err != nil {
				t.Fatal(err)
			}
			create(t, at.WithResource("serviceexports"), "mcs-live", map[string]any{
				"apiVersion": version, "kind": "ServiceExport", "metadata": map[string]any{"name": "web", "namespace": "mcs-live"},
			})
		}
		expect(t, problem.ExitInput, nil, []string{"NeedsConfirmation: Remove all ServiceExports"}, mcs("disable")...)
		expect(t, problem.ExitOK, []string{"deleted     ServiceExport mcs-live/web", "configured  ConfigMap eastwest-system/eastwest-agent-config", "deleted     ClusterProperty clusterset.k8s.io"}, nil, mcs("disable", "--dry-run")...)
		if left := exportsLeft(t); left != 2 {
			t.Errorf("after a dry run %d exports are left", left)
		}
		expect(t, problem.ExitCluster, []string{"deleted     ServiceExport mcs-live/web"}, []string{"error: cluster dead: ClusterUnreachable"},
			mcs("disable", "--yes", "--wait=false", "--kubeconfig", "dead="+dead)...)
		if left := exportsLeft(t); left != 0 {
			t.Errorf("%d exports are left", left)
		}
		if text := agentFile(t, kube); !strings.Contains(text, "mcs:\n  enabled: false\n") {
			t.Errorf("the agent is told\n%s", text)
		}
		wantUnchanged(t, mcs("disable", "--yes", "--wait=false")...)
		expect(t, problem.ExitOK, []string{"DISABLED"}, nil, mcs("describe")...)
	})
	t.Run("enabled again it is as before", func(t *testing.T) {
		expect(t, problem.ExitOK, []string{"configured  Deployment eastwest-system/eastwest-agent", "created     ClusterProperty cluster.clusterset.k8s.io"}, nil, mcs("enable", "--wait=false")...)
		if text := agentFile(t, kube); text != before {
			t.Errorf("the agent is told\n%s\nbefore\n%s", text, before)
		}
	})
	t.Run("down leaves nothing", func(t *testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			expect(t, problem.ExitOK, []string{"deleted  ClusterProperty clusterset.k8s.io"}, nil, append([]string{"down", "--yes"}, one...)...)
		}()
		testapi.Finish(t.Context(), t, kube, apply.Namespace)
		<-done
	})
}

// installPaperAgent writes the set of an agent as up does, and returns its
// configuration: no pod runs.
func installPaperAgent(t *testing.T) string {
	t.Helper()
	config := testapi.Config(t)
	kube, client := testapi.Client(t), dynamic.NewForConfigOrDie(config)
	objects, err := render.Chart(render.Release{Chart: "eastwest-agent", Namespace: apply.Namespace, Layers: []render.Values{{
		"image": "reg/agent:v1", "caSecret": "", "config": map[string]any{"mesh": "shop", "member": map[string]any{"name": "live", "network": "net", "region": "eu-1"}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	applier := apply.New(apply.Options{Cluster: "live", Dynamic: client, Mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kube.Discovery()))})
	plan, err := applier.Plan(t.Context(), apply.Set{Name: "agent", Objects: objects})
	if err != nil {
		t.Fatal(err)
	}
	if err := applier.Apply(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	return agentFile(t, kube)
}

// agentFile is the configuration that the agent is given.
func agentFile(t *testing.T, kube kubernetes.Interface) string {
	t.Helper()
	found, err := kube.CoreV1().ConfigMaps(apply.Namespace).Get(t.Context(), "eastwest-agent-config", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return found.Data["agent.yaml"]
}

// exportsLeft counts the exports of both dialects.
func exportsLeft(t *testing.T) int {
	t.Helper()
	client, count := dynamic.NewForConfigOrDie(testapi.Config(t)), 0
	for _, resource := range []schema.GroupVersionResource{
		{Group: "multicluster.x-k8s.io", Version: "v1beta1", Resource: "serviceexports"}, {Group: "net.gke.io", Version: "v1", Resource: "serviceexports"},
	} {
		list, err := client.Resource(resource).List(t.Context(), metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			list, err = &unstructured.UnstructuredList{}, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		count += len(list.Items)
	}
	return count
}

// wantUnchanged wants a command to find nothing to do.
func wantUnchanged(t *testing.T, command ...string) {
	t.Helper()
	code, stdout, stderr := run(t.Context(), t, append(command, "-q")...)
	if code != problem.ExitOK || stdout == "" || strings.Count(stdout, "\n") != strings.Count(stdout, "  unchanged  ") {
		t.Error(fmt.Sprint(command), "again: exit", code, stderr, "\n"+stdout)
	}
}
