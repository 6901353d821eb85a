package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// TestOnALiveAPIServer runs commands against a real API server without nodes: what
// they say and write can be seen there, though nothing ever runs. The steps follow
// each other.
func TestOnALiveAPIServer(t *testing.T) {
	kube, live := testapi.Client(t), liveKubeconfig(t)
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "kube"), os.DirFS("testdata/kube")); err != nil {
		t.Fatal(err)
	}
	if err := writePKI(filepath.Join(dir, "pki")); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(dir, "kube", "east.yaml")
	both := []string{"--kubeconfig", "live=" + live, "--kubeconfig", "dead=" + dead}
	one := []string{"--kubeconfig", "live=" + live}

	t.Run("a dead cluster costs its own rows only", func(t *testing.T) {
		expect(t, problem.ExitCluster, []string{"live     -   -", "dead     -   -        -       -         -      -      -    unreachable"},
			[]string{"error: cluster dead: ClusterUnreachable"}, append([]string{"status"}, both...)...)
		expect(t, problem.ExitCluster, []string{"live     unknown"}, []string{"error: cluster dead: ClusterUnreachable"}, append([]string{"trust", "check"}, both...)...)
	})
	t.Run("C03: one cluster under two names", func(t *testing.T) {
		expect(t, problem.ExitRefused, nil, []string{"error: cluster a, b: DuplicateCluster: a and b are the same cluster"},
			"create-mesh", "--kubeconfig", "a="+live, "--kubeconfig", "b="+live)
	})
	t.Run("a cluster without istiod is looked at as one without a mesh", func(t *testing.T) {
		expect(t, problem.ExitOK, []string{"no findings"}, nil, append([]string{"doctor"}, one...)...)
	})
	t.Run("C18: a cluster without the istiod that is asked for", func(t *testing.T) {
		expect(t, problem.ExitRefused, []string{"refuse RevisionNotFound [live]"},
			[]string{"error: cluster live: RevisionNotFound: no istiod is installed", "error: cluster dead: ClusterUnreachable"}, append([]string{"doctor", "--revision", "default"}, both...)...)
		expect(t, problem.ExitRefused, nil, []string{"RevisionNotFound"}, append([]string{"gateway", "--public"}, one...)...)
	})
	if _, err := kube.CoreV1().Namespaces().Get(t.Context(), apply.Namespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("a command that is refused made our namespace: %v", err)
	}

	installPaperIstio(t)
	before := namespaceLabels(t, kube)
	t.Run("C06, C17, C18: what is refused writes nothing", func(t *testing.T) {
		expect(t, problem.ExitRefused, nil, []string{`NetworkMismatch: network "other" is asked for, but its istiod gives proxies "net-live"`}, append([]string{"gateway", "--public", "--network", "other"}, one...)...)
		expect(t, problem.ExitRefused, nil, []string{`RevisionNotFound: it has no istiod of revision or tag "canary"; it has asm-1232-2`}, append([]string{"gateway", "--public", "--revision", "canary"}, one...)...)
		expect(t, problem.ExitInput, nil, []string{"NeedsConfirmation: Remove all that eastwest made"}, append([]string{"down"}, one...)...)
		expect(t, problem.ExitOK, []string{"created     Deployment istio-system/istio-eastwestgateway"}, nil, append([]string{"gateway", "--public", "--dry-run"}, one...)...)
		if _, err := kube.CoreV1().Namespaces().Get(t.Context(), apply.Namespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("our namespace was made: %v", err)
		}
		if after := namespaceLabels(t, kube); after != before {
			t.Errorf("labels of istio-system: %s, before %s", after, before)
		}
		expect(t, problem.ExitRefused, nil, []string{"PublicGateway: its gateway would be open"}, append([]string{"gateway"}, one...)...)
	})
	t.Run("a second run changes nothing", func(t *testing.T) {
		gateway := append([]string{"gateway", "--source-ranges", "203.0.113.0/24", "--wait=false"}, one...)
		exposure := append([]string{"expose", "--wait=false"}, one...)
		for _, command := range [][]string{gateway, exposure} {
			expect(t, problem.ExitOK, []string{"created"}, nil, command...)
			code, stdout, stderr := run(t.Context(), t, append(command, "-q")...)
			if code != problem.ExitOK || strings.Count(stdout, "\n") != strings.Count(stdout, "  unchanged  ") {
				t.Errorf("%s again: exit %d, stderr %q\n%s", command[0], code, stderr, stdout)
			}
		}
		service, err := kube.CoreV1().Services("istio-system").Get(t.Context(), "istio-eastwestgateway", metav1.GetOptions{})
		if err != nil || service.Labels["topology.istio.io/network"] != "net-live" || service.Spec.LoadBalancerSourceRanges[0] != "203.0.113.0/24" {
			t.Errorf("got %v, %v", service, err)
		}
		deployment, err := kube.AppsV1().Deployments("istio-system").Get(t.Context(), "istio-eastwestgateway", metav1.GetOptions{})
		if err != nil || deployment.Spec.Template.Labels["istio.io/rev"] != "asm-1232-2" {
			t.Errorf("got %v, %v", deployment, err)
		}
	})
	makeCorefile(t, kube)
	t.Run("what was edited since in the cluster's own DNS is named", func(t *testing.T) {
		downNamesEdits(t, kube, one)
	})
	t.Run("down leaves nothing", func(t *testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			expect(t, problem.ExitOK, []string{"deleted"}, nil, append([]string{"down", "--yes"}, one...)...)
		}()
		testapi.Finish(t.Context(), t, kube, apply.Namespace)
		<-done
		wantCorefile(t, kube, corefileBefore)
		for _, kind := range []string{"services", "serviceaccounts", "deployments"} {
			if left := leftOf(t, kind); strings.Contains(left, "eastwest") {
				t.Errorf("left: %s", left)
			}
		}
		if after := namespaceLabels(t, kube); after != before {
			t.Errorf("labels of istio-system: %s, before %s", after, before)
		}
	})
}

// A Corefile without an end, and what up puts behind it.
const (
	corefileBefore = ".:53 {\n    reload\n}"
	corefileOurs   = "\n# eastwest: begin b28ce7f9a4c5, after a line without an end\n" +
		"clusterset.local:53 {\n    errors\n    cache 5\n    forward . 10.96.0.53\n}\n# eastwest: end\n"
)

// makeCorefile makes the cluster's own DNS one that up has pointed at an agent.
func makeCorefile(t *testing.T, kube kubernetes.Interface) {
	t.Helper()
	coredns := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "coredns"}, Data: map[string]string{"Corefile": corefileBefore + corefileOurs}}
	if _, err := kube.CoreV1().ConfigMaps("kube-system").Create(t.Context(), coredns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = kube.CoreV1().ConfigMaps("kube-system").Delete(context.Background(), "coredns", metav1.DeleteOptions{})
	})
}

func wantCorefile(t *testing.T, kube kubernetes.Interface, want string) {
	t.Helper()
	now, err := kube.CoreV1().ConfigMaps("kube-system").Get(t.Context(), "coredns", metav1.GetOptions{})
	if err != nil || now.Data["Corefile"] != want {
		t.Errorf("%v, the Corefile is %q, want %q", err, now.Data["Corefile"], want)
	}
}

// downNamesEdits wants a dry run to write nothing, and what is ours and was edited to
// stay, with a word on what to do.
func downNamesEdits(t *testing.T, kube kubernetes.Interface, one []string) {
	t.Helper()
	write := func(text string) {
		t.Helper()
		patch := fmt.Sprintf(`[{"op": "replace", "path": "/data/Corefile", "value": %q}]`, text)
		if _, err := kube.CoreV1().ConfigMaps("kube-system").Patch(t.Context(), "coredns", types.JSONPatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, problem.ExitOK, []string{"configured  ConfigMap kube-system/coredns"}, nil, append([]string{"down", "--yes", "--dry-run"}, one...)...)
	wantCorefile(t, kube, corefileBefore+corefileOurs)
	expect(t, problem.ExitOK, []string{"warn   ClusterDNS [live] no agent answers", "fix: eastwest up, down or leave takes it out"}, nil, append([]string{"doctor"}, one...)...)

	edited := corefileBefore + strings.Replace(corefileOurs, "cache 5", "cache 50", 1)
	write(edited)
	expect(t, problem.ExitCluster, nil, []string{"error: cluster live: DNSNotRestored: the Corefile in ConfigMap kube-system/coredns: what eastwest wrote there was edited since", "  fix: take it out by hand"},
		append([]string{"down", "--yes", "--dry-run"}, one...)...)
	wantCorefile(t, kube, edited)
	write(corefileBefore + corefileOurs)
}

// expect runs a command and looks for parts of what it says.
func expect(t *testing.T, code int, stdout, stderr []string, args ...string) {
	t.Helper()
	got, out, errs := run(t.Context(), t, append(args, "-q")...)
	if got != code {
		t.Errorf("%q: exit %d, want %d\n%s\n%s", args, got, code, out, errs)
	}
	for text, wanted := range map[string][]string{out: stdout, errs: stderr} {
		for _, words := range wanted {
			if !strings.Contains(text, words) {
				t.Errorf("%q: want %q in\n%s", args, words, text)
			}
		}
	}
	if len(stderr) == 0 && errs != "" {
		t.Errorf("%q: stderr\n%s", args, errs)
	}
}

// liveKubeconfig leads to the API server, and makes what a controller manager
// would: the authority that pods are given.
func liveKubeconfig(t *testing.T) string {
	t.Helper()
	config := testapi.Config(t)
	create(t, schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, "kube-system", map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "kube-root-ca.crt"}, "data": map[string]any{"ca.crt": string(config.CAData)},
	})
	path := filepath.Join(t.TempDir(), "live.yaml")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: live
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: live, context: {cluster: c, user: u}}]
`, config.Host, base64.StdEncoding.EncodeToString(config.CAData), config.BearerToken)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// installPaperIstio writes what is read of an installed istiod: no pod runs.
func installPaperIstio(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("testdata/istio.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(string(text), "\n---\n") {
		object := map[string]any{}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		kind := (&unstructured.Unstructured{Object: object}).GroupVersionKind()
		resource := kind.GroupVersion().WithResource(strings.ToLower(kind.Kind) + "s")
		create(t, resource, (&unstructured.Unstructured{Object: object}).GetNamespace(), object)
	}
	kube := testapi.Client(t)
	err = apply.Poll(t.Context(), func(context.Context) (bool, error) {
		_, err := kube.Discovery().ServerResourcesForGroupVersion("networking.istio.io/v1")
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// create makes an object and deletes it after the test; a namespace, which no
// controller here would ever let go, stays.
func create(t *testing.T, resource schema.GroupVersionResource, namespace string, object map[string]any) {
	t.Helper()
	client, err := dynamic.NewForConfig(testapi.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	objects := client.Resource(resource).Namespace(namespace)
	made, err := objects.Create(t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	stays := resource.Resource == "namespaces"
	if err != nil && (!stays || !apierrors.IsAlreadyExists(err)) {
		t.Fatal(err)
	}
	if !stays {
		t.Cleanup(func() { _ = objects.Delete(context.Background(), made.GetName(), metav1.DeleteOptions{}) })
	}
}

// leftOf lists the names of a kind in istiod's namespace.
func leftOf(t *testing.T, resource string) string {
	t.Helper()
	client, err := dynamic.NewForConfig(testapi.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	group := map[string]string{"deployments": "apps"}[resource]
	list, err := client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}).Namespace("istio-system").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.GetName())
	}
	return strings.Join(names, " ")
}

func namespaceLabels(t *testing.T, kube kubernetes.Interface) string {
	t.Helper()
	namespace, err := kube.CoreV1().Namespaces().Get(t.Context(), "istio-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(namespace.Labels)
}
