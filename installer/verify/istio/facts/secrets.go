package facts

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// RemoteLabel is what istiod selects remote secrets by.
const RemoteLabel = "istio/multiCluster=true"

// remoteSecretsOf reads every entry of every remote secret.
func remoteSecretsOf(secrets []corev1.Secret) []RemoteSecret {
	var all []RemoteSecret
	for _, s := range secrets {
		for id, data := range s.Data {
			entry := RemoteSecret{Object: Object{s.Namespace, s.Name}, ClusterID: id}
			entry.read(data)
			all = append(all, entry)
		}
	}
	slices.SortFunc(all, func(a, b RemoteSecret) int {
		if c := compare(a.Object, b.Object); c != 0 {
			return c
		}
		return compare(Object{Name: a.ClusterID}, Object{Name: b.ClusterID})
	})
	return all
}

// read takes the address and the token out of a kubeconfig. Nothing in it is
// executed or opened: only inline fields are looked at.
func (r *RemoteSecret) read(kubeconfig []byte) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		r.Invalid = "no readable kubeconfig"
		return
	}
	context := config.Contexts[config.CurrentContext]
	if context == nil {
		r.Invalid = "its kubeconfig has no current context"
		return
	}
	if cluster := config.Clusters[context.Cluster]; cluster != nil {
		r.Server, r.Proxy = cluster.Server, cluster.ProxyURL
	}
	if user := config.AuthInfos[context.AuthInfo]; user != nil {
		r.Token = user.Token
	}
	if r.Server == "" {
		r.Invalid = "its kubeconfig has no server"
	}
}
