package member

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Labels by which Istio marks its own objects.
const (
	RevisionLabel = "istio.io/rev"
	tagLabel      = "istio.io/tag"
	istiodLabel   = "app=istiod"
)

func readControlPlanes(ctx context.Context, m *Member, facts *Facts) error {
	namespace, err := m.Kube.CoreV1().Namespaces().Get(ctx, m.IstioNamespace, metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return err
	}
	if err != nil {
		return nil
	}
	facts.NamespaceNetwork = namespace.Labels[NetworkLabel]
	deployments, err := m.Kube.AppsV1().Deployments(m.IstioNamespace).List(ctx, metav1.ListOptions{LabelSelector: istiodLabel})
	if err != nil {
		return err
	}
	if len(deployments.Items) == 0 {
		return nil
	}
	maps, err := m.Kube.CoreV1().ConfigMaps(m.IstioNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	byName := map[string]corev1.ConfigMap{}
	for _, one := range maps.Items {
		byName[one.Name] = one
	}
	for _, deployment := range deployments.Items {
		facts.ControlPlanes = append(facts.ControlPlanes, controlPlane(deployment, byName))
	}
	sort.Slice(facts.ControlPlanes, func(i, j int) bool {
		return facts.ControlPlanes[i].Revision < facts.ControlPlanes[j].Revision
	})
	return nil
}

// controlPlane reads one istiod from its Deployment and ConfigMaps.
func controlPlane(deployment appsv1.Deployment, maps map[string]corev1.ConfigMap) ControlPlane {
	plane := ControlPlane{
		Revision:       deployment.Labels[RevisionLabel],
		Deployment:     deployment.Name,
		ServiceAccount: deployment.Spec.Template.Spec.ServiceAccountName,
		Ready:          int(deployment.Status.ReadyReplicas),
		Replicas:       1,
		Env:            map[string]string{},
	}
	if plane.Revision == "" {
		plane.Revision = "default"
	}
	if deployment.Spec.Replicas != nil {
		plane.Replicas = int(*deployment.Spec.Replicas)
	}
	for _, container := range deployment.Spec.Template.Spec.Containers {
		if container.Name != "discovery" {
			continue
		}
		for _, variable := range container.Env {
			plane.Env[variable.Name] = variable.Value
		}
		plane.Version = versionOf(deployment.Labels, container.Image)
	}
	// Source: istiod's flag clusterID defaults to "Kubernetes".
	plane.ClusterID = plane.Env["CLUSTER_ID"]
	if plane.ClusterID == "" {
		plane.ClusterID = "Kubernetes"
	}
	readMeshConfig(&plane, maps[configMapName("istio", plane.Revision)].Data["mesh"])
	plane.Injector = injector(maps[configMapName("istio-sidecar-injector", plane.Revision)].Data["values"])
	return plane
}

// configMapName is the name of a revisioned ConfigMap of istiod.
func configMapName(base, revision string) string {
	if revision == "default" {
		return base
	}
	return base + "-" + revision
}

// MeshConfigMap is the name of the ConfigMap with this istiod's mesh configuration.
func (c *ControlPlane) MeshConfigMap() string { return configMapName("istio", c.Revision) }

// versionOf is Istio's version: the image's tag where it is one, else what the
// chart wrote, which for an unreleased build is not Istio's.
func versionOf(labels map[string]string, image string) string {
	name := image[strings.LastIndex(image, "/")+1:]
	name, _, _ = strings.Cut(name, "@")
	_, tag, _ := strings.Cut(name, ":")
	if label := labels["app.kubernetes.io/version"]; label != "" && !startsLikeVersion(tag) {
		return label
	}
	return tag
}

func startsLikeVersion(tag string) bool {
	major, rest, found := strings.Cut(strings.TrimPrefix(tag, "v"), ".")
	return found && major == "1" && rest != "" && rest[0] >= '0' && rest[0] <= '9'
}

func readMeshConfig(plane *ControlPlane, text string) {
	var mesh struct {
		TrustDomain        string   `json:"trustDomain"`
		TrustDomainAliases []string `json:"trustDomainAliases"`
		RootNamespace      string   `json:"rootNamespace"`
		DefaultConfig      struct {
			MeshID        string            `json:"meshId"`
			ProxyMetadata map[string]string `json:"proxyMetadata"`
		} `json:"defaultConfig"`
		CACertificates []struct {
			PEM string `json:"pem"`
		} `json:"caCertificates"`
		ServiceSettings []struct {
			Hosts    []string `json:"hosts"`
			Settings struct {
				ClusterLocal bool `json:"clusterLocal"`
			} `json:"settings"`
		} `json:"serviceSettings"`
	}
	// istiod starts with an unreadable mesh configuration too, on its defaults.
	_ = yaml.Unmarshal([]byte(text), &mesh)
	plane.TrustDomain, plane.TrustDomainAliases = mesh.TrustDomain, mesh.TrustDomainAliases
	plane.MeshID, plane.ProxyMetadata = mesh.DefaultConfig.MeshID, mesh.DefaultConfig.ProxyMetadata
	plane.RootNamespace = mesh.RootNamespace
	for _, certificate := range mesh.CACertificates {
		plane.MeshRoots = append(append(plane.MeshRoots, certificate.PEM...), '\n')
	}
	for _, setting := range mesh.ServiceSettings {
		if setting.Settings.ClusterLocal {
			plane.ClusterLocalHosts = append(plane.ClusterLocalHosts, setting.Hosts...)
		}
	}
	// Source: defaults of MeshConfig.
	if plane.TrustDomain == "" {
		plane.TrustDomain = "cluster.local"
	}
	if plane.RootNamespace == "" {
		plane.RootNamespace = "istio-system"
	}
}

func injector(text string) Injector {
	if text == "" {
		return Injector{}
	}
	var values struct {
		Global struct {
			MeshID            string `json:"meshID"`
			Network           string `json:"network"`
			PilotCertProvider string `json:"pilotCertProvider"`
			CAAddress         string `json:"caAddress"`
			Hub               string `json:"hub"`
			Tag               any    `json:"tag"`
			Proxy             struct {
				Image string `json:"image"`
			} `json:"proxy"`
			MultiCluster struct {
				ClusterName string `json:"clusterName"`
			} `json:"multiCluster"`
		} `json:"global"`
	}
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return Injector{}
	}
	global := values.Global
	injector := Injector{
		Found: true, ClusterName: global.MultiCluster.ClusterName, Network: global.Network,
		MeshID: global.MeshID, PilotCertProvider: global.PilotCertProvider, CAAddress: global.CAAddress,
	}
	injector.ProxyImage = global.Proxy.Image
	if injector.ProxyImage != "" && !strings.Contains(injector.ProxyImage, "/") && global.Hub != "" {
		injector.ProxyImage = global.Hub + "/" + injector.ProxyImage
		if global.Tag != nil {
			injector.ProxyImage += fmt.Sprint(":", global.Tag)
		}
	}
	return injector
}

// readTags reads revision tags: webhook configurations that point at another
// revision, and the default revision.
func readTags(ctx context.Context, m *Member, facts *Facts) error {
	hooks, err := m.Kube.AdmissionregistrationV1().MutatingWebhookConfigurations().
		List(ctx, metav1.ListOptions{LabelSelector: RevisionLabel})
	if err != nil {
		return err
	}
	facts.Tags = map[string]string{}
	for _, hook := range hooks.Items {
		if tag := hook.Labels[tagLabel]; tag != "" {
			facts.Tags[tag] = hook.Labels[RevisionLabel]
		}
	}
	return nil
}

// IstiodPodIP is the address of a running istiod pod of a revision; empty where
// none runs.
func (m *Member) IstiodPodIP(ctx context.Context, revision string) (string, error) {
	pods, err := m.Kube.CoreV1().Pods(m.IstioNamespace).List(ctx, metav1.ListOptions{
		LabelSelector: istiodLabel + "," + RevisionLabel + "=" + revision,
	})
	if err != nil {
		return "", err
	}
	for _, pod := range pods.Items {
		if pod.Status.Phase == corev1.PodRunning && pod.Status.PodIP != "" {
			return pod.Status.PodIP, nil
		}
	}
	return "", nil
}
