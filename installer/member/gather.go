package member

import (
	"context"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// gather runs one reader per kind of fact. Each writes only its own fields.
func gather(ctx context.Context, m *Member) (*Facts, error) {
	facts := &Facts{}
	if err := readIdentity(ctx, m, facts); err != nil {
		return nil, Unreachable(m.Name, err)
	}
	readers := []func(context.Context, *Member, *Facts) error{
		readGroups, readNodes, readControlPlanes, readTags, readGateways, readExposures, readDeclared,
		readRemoteSecrets, readProxies, readTrust,
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, read := range readers {
		group.Go(func() error { return read(ctx, m, facts) })
	}
	if err := group.Wait(); err != nil {
		return nil, problem.New(problem.Cluster, "FactsUnreadable", "its state cannot be read").On(m.Name).Because(err).
			WithFix("the kubeconfig needs read access to namespaces, nodes, services, pods, config maps and secrets of %s", m.IstioNamespace)
	}
	return facts, nil
}

func readIdentity(ctx context.Context, m *Member, facts *Facts) error {
	namespace, err := m.Kube.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return err
	}
	facts.UID = namespace.UID
	version, err := m.Kube.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	facts.Version = version.GitVersion
	authority, err := m.ClusterCA(ctx)
	if err != nil {
		return err
	}
	facts.CAHash = CAHash(authority)
	return nil
}

// readGroups asks the API server which API groups it serves.
func readGroups(_ context.Context, m *Member, facts *Facts) error {
	groups, err := m.Kube.Discovery().ServerGroups()
	if err != nil {
		return err
	}
	for _, group := range groups.Groups {
		switch group.Name {
		case "gateway.networking.k8s.io":
			facts.HasGatewayAPI = true
		case "networking.istio.io":
			facts.HasIstioCRDs = true
		}
	}
	return nil
}

func readNodes(ctx context.Context, m *Member, facts *Facts) error {
	nodes, err := m.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	regions := map[string]bool{}
	for _, node := range nodes.Items {
		facts.PodCIDRs = append(facts.PodCIDRs, node.Spec.PodCIDRs...)
		regions[node.Labels[corev1.LabelTopologyRegion]] = true
		if facts.Platform == "" {
			facts.Platform = platformOf(node)
		}
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				facts.Nodes = append(facts.Nodes, address.Address)
			}
		}
	}
	sort.Strings(facts.PodCIDRs)
	if len(regions) == 1 {
		for region := range regions {
			facts.Region = region
		}
	}
	return nil
}

// platformOf guesses the platform from a node's provider ID and labels.
func platformOf(node corev1.Node) string {
	scheme, _, _ := strings.Cut(node.Spec.ProviderID, "://")
	switch {
	case hasLabelPrefix(node.Labels, "cloud.google.com/gke"):
		return "gke"
	case hasLabelPrefix(node.Labels, "eks.amazonaws.com/"):
		return "eks"
	case hasLabelPrefix(node.Labels, "kubernetes.azure.com/"):
		return "aks"
	case hasLabelPrefix(node.Labels, "eastwest.dev/lab"):
		return "lab"
	}
	names := map[string]string{"aws": "aws", "azure": "azure", "vsphere": "vmware", "baremetal": "baremetal", "kind": "kind", "gce": "gke"}
	return names[scheme]
}

func hasLabelPrefix(labels map[string]string, prefix string) bool {
	for name := range labels {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// RestartPendingAnnotation is on a Secret cacerts of ours from when it replaces
// another CA until every workload was restarted.
const RestartPendingAnnotation = "eastwest.dev/restart-pending"

// readTrust reads the public CA material. Private keys are never kept.
func readTrust(ctx context.Context, m *Member, facts *Facts) error {
	root, err := m.Kube.CoreV1().ConfigMaps(m.IstioNamespace).Get(ctx, "istio-ca-root-cert", metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return err
	}
	if err == nil {
		facts.Trust.RootPEM = []byte(root.Data["root-cert.pem"])
	}
	secrets := m.Kube.CoreV1().Secrets(m.IstioNamespace)
	plugged, err := secrets.Get(ctx, "cacerts", metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return err
	}
	if err == nil {
		facts.Trust.CACerts = publicParts(plugged.Data)
		_, facts.Trust.RestartPending = plugged.Annotations[RestartPendingAnnotation]
	}
	own, err := secrets.Get(ctx, "istio-ca-secret", metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return err
	}
	if err == nil {
		facts.Trust.SelfSigned, facts.Trust.SelfSignedPEM = true, own.Data["ca-cert.pem"]
	}
	return nil
}

func publicParts(data map[string][]byte) map[string][]byte {
	public := map[string][]byte{}
	for name, content := range data {
		if !strings.Contains(name, "key") {
			public[name] = content
		}
	}
	return public
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
