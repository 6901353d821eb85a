package member

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// RemoteSecretLabel marks the Secrets that istiod reads as remote clusters.
const RemoteSecretLabel = "istio/multiCluster"

func readRemoteSecrets(ctx context.Context, m *Member, facts *Facts) error {
	secrets, err := m.Kube.CoreV1().Secrets(m.IstioNamespace).List(ctx, metav1.ListOptions{LabelSelector: RemoteSecretLabel + "=true"})
	if err != nil {
		return err
	}
	for _, secret := range secrets.Items {
		facts.RemoteSecrets = append(facts.RemoteSecrets, remoteSecret(secret))
	}
	sort.Slice(facts.RemoteSecrets, func(i, j int) bool { return facts.RemoteSecrets[i].Name < facts.RemoteSecrets[j].Name })
	return nil
}

func remoteSecret(secret corev1.Secret) RemoteSecret {
	remote := RemoteSecret{
		Namespace: secret.Namespace, Name: secret.Name, Labels: secret.Labels,
		Annotations: secret.Annotations, Created: secret.CreationTimestamp.Time,
	}
	for id, content := range secret.Data {
		sum := sha256.Sum256(content)
		key := RemoteKey{ClusterID: id, Hash: hex.EncodeToString(sum[:6])}
		config, err := clientcmd.Load(content)
		if err != nil {
			key.Problem = "it is no kubeconfig"
		} else if current, ok := config.Contexts[config.CurrentContext]; !ok {
			key.Problem = "its current context does not exist"
		} else if cluster, ok := config.Clusters[current.Cluster]; ok {
			key.Server, key.CAHash = cluster.Server, CAHash(cluster.CertificateAuthorityData)
		} else {
			key.Problem = "the cluster of its context does not exist"
		}
		remote.Keys = append(remote.Keys, key)
	}
	sort.Slice(remote.Keys, func(i, j int) bool { return remote.Keys[i].ClusterID < remote.Keys[j].ClusterID })
	return remote
}

// CAHash identifies an authority, given as PEM, however it is wrapped.
func CAHash(pem []byte) string {
	if len(pem) == 0 {
		return ""
	}
	sum := sha256.Sum256(bytes.TrimSpace(pem))
	return hex.EncodeToString(sum[:])
}

// RemoteKubeconfig reads the credential for a cluster ID out of a remote secret.
func (m *Member) RemoteKubeconfig(ctx context.Context, secret *RemoteSecret, clusterID string) ([]byte, error) {
	live, err := m.Kube.CoreV1().Secrets(secret.Namespace).Get(ctx, secret.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return live.Data[clusterID], nil
}
