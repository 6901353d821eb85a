package member

import (
	"context"
	"net"
	"strconv"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// APIAddress is a URL at which a cluster says its API server is.
type APIAddress struct {
	Server, Source string
}

// APIAddresses lists where the API server may be reached, besides the
// operator's kubeconfig: what kubeadm published and the endpoints of the
// Service kubernetes. Where a source is absent, it has no entry.
func (m *Member) APIAddresses(ctx context.Context) ([]APIAddress, error) {
	var found []APIAddress
	info, err := m.Kube.CoreV1().ConfigMaps(metav1.NamespacePublic).Get(ctx, "cluster-info", metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return nil, err
	}
	if err == nil {
		if config, loadErr := clientcmd.Load([]byte(info.Data["kubeconfig"])); loadErr == nil {
			for _, cluster := range config.Clusters {
				found = append(found, APIAddress{Server: strings.TrimSuffix(cluster.Server, "/"), Source: "cluster-info"})
			}
		}
	}
	slices, err := m.Kube.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=kubernetes",
	})
	if err != nil {
		return nil, err
	}
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			for _, port := range slice.Ports {
				if port.Port == nil || len(endpoint.Addresses) == 0 {
					continue
				}
				host := net.JoinHostPort(endpoint.Addresses[0], strconv.Itoa(int(*port.Port)))
				found = append(found, APIAddress{Server: "https://" + host, Source: "endpoints"})
			}
		}
	}
	return found, nil
}

// ClusterCA is the authority that signs the API server's certificate, as the
// cluster gives it to its own pods.
func (m *Member) ClusterCA(ctx context.Context) ([]byte, error) {
	root, err := m.Kube.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return []byte(root.Data["ca.crt"]), nil
}
