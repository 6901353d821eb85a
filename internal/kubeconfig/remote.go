package kubeconfig

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/tools/clientcmd/api/latest"
)

// Remote is the kubeconfig that goes into a remote secret.
type Remote struct {
	// ClusterID is the producer's, and the name of everything in the kubeconfig.
	ClusterID string
	// Server is the API server's URL as the consumer reaches it.
	Server string
	// CA is the authority of the API server, as PEM.
	CA []byte
	// TLSServerName is the name in the API server's certificate where it is not
	// that of Server.
	TLSServerName string
	// Token is the bearer token.
	Token string
}

// Encode returns the bytes that istioctl would write: one cluster, context and
// user, each named by the cluster ID, with inline authority and token. They are
// the same for the same input, and only such that Parse accepts from a Secret.
func (r Remote) Encode() ([]byte, error) {
	if r.ClusterID == "" {
		return nil, reject(CodeInvalid, "the remote secret's cluster ID is empty")
	}
	config := &clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{r.ClusterID: {
			Server: r.Server, CertificateAuthorityData: r.CA, TLSServerName: r.TLSServerName,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{r.ClusterID: {Token: r.Token}},
		Contexts:       map[string]*clientcmdapi.Context{r.ClusterID: {Cluster: r.ClusterID, AuthInfo: r.ClusterID}},
		CurrentContext: r.ClusterID,
	}
	data, err := runtime.Encode(latest.Codec, config)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig of cluster %s: %w", shown(r.ClusterID), err)
	}
	if _, err := Parse(data, "", Agent()); err != nil {
		return nil, err
	}
	return data, nil
}
