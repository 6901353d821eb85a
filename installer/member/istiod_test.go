package member

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// istiod is the Deployment of a revision; none for the default one.
func istiod(revision string, env ...corev1.EnvVar) appsv1.Deployment {
	labels := map[string]string{"app": "istiod"}
	name := "istiod"
	if revision != "" {
		labels[RevisionLabel], name = revision, "istiod-"+revision
	}
	return appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "istio-system", Labels: labels},
		Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			ServiceAccountName: name,
			Containers: []corev1.Container{
				{Name: "side", Image: "x:9.9", Env: []corev1.EnvVar{{Name: "CLUSTER_ID", Value: "not-mine"}}},
				{Name: "discovery", Image: "registry:5000/istio/pilot:1.31.1-distroless@sha256:abc", Env: env},
			},
		}}},
		Status: appsv1.DeploymentStatus{ReadyReplicas: 1},
	}
}

func configMaps(named map[string]map[string]string) map[string]corev1.ConfigMap {
	out := map[string]corev1.ConfigMap{}
	for name, data := range named {
		out[name] = corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "istio-system"}, Data: data}
	}
	return out
}

const meshConfig = `
trustDomain: east.example
trustDomainAliases: [old.example]
rootNamespace: mesh-root
defaultConfig:
  meshId: mesh-1
  proxyMetadata: {CA_PROVIDER: GoogleCA}
caCertificates:
- {pem: A}
- {pem: B}
serviceSettings:
- {settings: {clusterLocal: true}, hosts: ["*.shop.svc.cluster.local"]}
- {settings: {clusterLocal: false}, hosts: [never]}
someday: {unknown: fields}
`

const injectorValues = `{"global": {
  "meshID": "mesh-1", "network": "net-east", "pilotCertProvider": "kubernetes", "caAddress": "ca:1",
  "hub": "registry.example/istio", "tag": "1.31.1", "proxy": {"image": "proxyv2"},
  "multiCluster": {"clusterName": "east"}
}, "revision": "x"}`

func TestControlPlane(t *testing.T) {
	t.Parallel()
	three := int32(3)
	scaled := istiod("asm-1232-2", corev1.EnvVar{Name: "CLUSTER_ID", Value: "cn-p-global-east"}, corev1.EnvVar{Name: "EXTERNAL_CA", Value: "x"})
	scaled.Spec.Replicas = &three
	for name, tc := range map[string]struct {
		deployment appsv1.Deployment
		maps       map[string]corev1.ConfigMap
		want       ControlPlane
	}{
		"the default revision, with nothing said": {
			istiod(""), nil,
			ControlPlane{
				Revision: "default", Version: "1.31.1-distroless", Deployment: "istiod", ServiceAccount: "istiod",
				Replicas: 1, Ready: 1, ClusterID: "Kubernetes", Env: map[string]string{},
				TrustDomain: "cluster.local", RootNamespace: "istio-system",
			},
		},
		"a revision, with all said": {
			scaled, configMaps(map[string]map[string]string{
				"istio-asm-1232-2":                  {"mesh": meshConfig},
				"istio-sidecar-injector-asm-1232-2": {"values": injectorValues},
				"istio":                             {"mesh": "trustDomain: not-mine"},
			}),
			ControlPlane{
				Revision: "asm-1232-2", Version: "1.31.1-distroless", Deployment: "istiod-asm-1232-2", ServiceAccount: "istiod-asm-1232-2",
				Replicas: 3, Ready: 1, ClusterID: "cn-p-global-east", Env: map[string]string{"CLUSTER_ID": "cn-p-global-east", "EXTERNAL_CA": "x"},
				MeshID: "mesh-1", TrustDomain: "east.example", TrustDomainAliases: []string{"old.example"}, MeshRoots: []byte("A\nB\n"),
				ProxyMetadata: map[string]string{"CA_PROVIDER": "GoogleCA"}, RootNamespace: "mesh-root",
				Injector: Injector{
					Found: true, ClusterName: "east", Network: "net-east", MeshID: "mesh-1", PilotCertProvider: "kubernetes",
					ProxyImage: "registry.example/istio/proxyv2:1.31.1", CAAddress: "ca:1",
				},
				ClusterLocalHosts: []string{"*.shop.svc.cluster.local"},
			},
		},
		"a cluster ID that comes from elsewhere": {
			istiod("", corev1.EnvVar{Name: "CLUSTER_ID", ValueFrom: &corev1.EnvVarSource{}}),
			configMaps(map[string]map[string]string{"istio": {"mesh": "not: [yaml"}, "istio-sidecar-injector": {"values": "not JSON"}}),
			ControlPlane{
				Revision: "default", Version: "1.31.1-distroless", Deployment: "istiod", ServiceAccount: "istiod", Replicas: 1, Ready: 1,
				ClusterID: "Kubernetes", Env: map[string]string{"CLUSTER_ID": ""}, TrustDomain: "cluster.local", RootNamespace: "istio-system",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, controlPlane(tc.deployment, tc.maps)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestInjector(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values string
		want   Injector
	}{
		"none":                    {"", Injector{}},
		"garbage":                 {"{", Injector{}},
		"nothing in it":           {"{}", Injector{Found: true}},
		"an image with its place": {`{"global":{"hub":"h","tag":"t","proxy":{"image":"r.example/p:1"}}}`, Injector{Found: true, ProxyImage: "r.example/p:1"}},
		"an image without one":    {`{"global":{"hub":"h","tag":"t","proxy":{"image":"p"}}}`, Injector{Found: true, ProxyImage: "h/p:t"}},
		"a tag that is a number":  {`{"global":{"hub":"h","tag":1.2,"proxy":{"image":"p"}}}`, Injector{Found: true, ProxyImage: "h/p:1.2"}},
		"no tag at all":           {`{"global":{"hub":"h","proxy":{"image":"p"}}}`, Injector{Found: true, ProxyImage: "h/p"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, injector(tc.values)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestVersionOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ label, image, want string }{
		"the tag":                             {"", "registry.example/istio/pilot:1.31.1", "1.31.1"},
		"a tag before the label":              {"1.0.0", "registry.example/istio/pilot:1.31.1", "1.31.1"},
		"a tag with a v":                      {"1.0.0", "registry.example/x/pilot:v1.30.2-asm.3", "v1.30.2-asm.3"},
		"a digest only":                       {"1.31.0", "istio/pilot@sha256:abc", "1.31.0"},
		"a tag that is no version":            {"1.31.0", "istio/pilot:latest", "1.31.0"},
		"and no label":                        {"", "istio/pilot:latest", "latest"},
		"a port is no tag":                    {"", "registry:5000/pilot", ""},
		"a number that is no version":         {"1.31.0", "istio/pilot:20261122", "1.31.0"},
		"a date with a dot is no version yet": {"1.31.0", "istio/pilot:1.x", "1.31.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			labels := map[string]string{"app.kubernetes.io/version": tc.label}
			if got := versionOf(labels, tc.image); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestFactsControlPlane chooses an istiod by revision, by tag, or by default.
func TestFactsControlPlane(t *testing.T) {
	t.Parallel()
	of := func(tags map[string]string, revisions ...string) *Facts {
		facts := &Facts{Tags: tags}
		for _, revision := range revisions {
			facts.ControlPlanes = append(facts.ControlPlanes, ControlPlane{Revision: revision})
		}
		return facts
	}
	for name, tc := range map[string]struct {
		facts     *Facts
		asked     string
		want      string // empty: none
		revisions []string
	}{
		"none at all":                {of(nil), "", "", nil},
		"the only one":               {of(nil, "a"), "", "a", []string{"a"}},
		"one by name":                {of(nil, "a", "b"), "b", "b", []string{"a", "b"}},
		"the default of two":         {of(nil, "a", "default"), "", "default", []string{"a", "default"}},
		"the default tag":            {of(map[string]string{"default": "b"}, "a", "b"), "", "b", []string{"a", "b", "default"}},
		"a tag by name":              {of(map[string]string{"prod": "a"}, "a", "b"), "prod", "a", []string{"a", "b", "prod"}},
		"two and no default":         {of(nil, "b", "a"), "", "", []string{"a", "b"}},
		"a name nobody has":          {of(nil, "a"), "x", "", []string{"a"}},
		"a tag to a revision gone":   {of(map[string]string{"default": "x"}, "a"), "", "", []string{"a", "default"}},
		"the default tag of default": {of(map[string]string{"default": "default"}, "default"), "", "default", []string{"default"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plane, ok := tc.facts.ControlPlane(tc.asked)
			if ok != (tc.want != "") || ok && plane.Revision != tc.want {
				t.Errorf("got %v, %v", plane, ok)
			}
			if diff := cmp.Diff(tc.revisions, tc.facts.Revisions()); diff != "" {
				t.Errorf("revisions (-want +got)\n%s", diff)
			}
		})
	}
}

func TestMeshConfigMap(t *testing.T) {
	t.Parallel()
	for revision, want := range map[string]string{"default": "istio", "asm-1232-2": "istio-asm-1232-2"} {
		if got := (&ControlPlane{Revision: revision}).MeshConfigMap(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
