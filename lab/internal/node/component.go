package node

import (
	"path/filepath"

	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// Names of the components, in the order in which they start.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Containerd        = "containerd"
	Kubelet           = "kubelet"
	Proxy             = "kube-proxy"
	Balancer          = "balancer"
)

// Components lists all components in the order in which they start.
func Components() []string {
	return []string{Etcd, APIServer, ControllerManager, Scheduler, Containerd, Kubelet, Proxy, Balancer}
}

// Tools are the executables a cluster is made of.
type Tools struct {
	// Kubernetes is the directory of etcd, kubectl and the kube-* components.
	Kubernetes string
	// Lab is the lab's own executable; it runs the balancer.
	Lab string
}

// Command is one component's command line, executable first.
func Command(component string, c plan.Cluster, t Tools) []string {
	args := map[string]func(plan.Cluster) []string{
		Etcd:              etcdArgs,
		APIServer:         apiServerArgs,
		ControllerManager: controllerManagerArgs,
		Scheduler:         schedulerArgs,
		Containerd:        containerdArgs,
		Kubelet:           kubeletArgs,
		Proxy:             proxyArgs,
		Balancer:          balancerArgs,
	}[component](c)
	path := filepath.Join(t.Kubernetes, component)
	switch component {
	case Containerd:
		path = "containerd" // from Debian, by PATH
	case Balancer:
		path = t.Lab
	case Kubelet:
		return wrapKubelet(c, append([]string{path}, args...))
	}
	return append([]string{path}, args...)
}

// etcd does not sync to disk: a lab is not meant to survive the host.
func etcdArgs(c plan.Cluster) []string {
	return []string{
		"--name=" + c.NodeName(),
		"--data-dir=" + c.Path("etcd"),
		"--listen-client-urls=http://127.0.0.1:2379",
		"--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=" + c.NodeName() + "=http://127.0.0.1:2380",
		"--unsafe-no-fsync",
	}
}

func apiServerArgs(c plan.Cluster) []string {
	return []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + c.NodeIP(),
		"--secure-port=6443",
		"--tls-cert-file=" + c.Path(serverCert),
		"--tls-private-key-file=" + c.Path(serverKey),
		"--client-ca-file=" + c.Path(caCert),
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + c.ServiceCIDR(),
		"--service-account-key-file=" + c.Path(tokenPub),
		"--service-account-signing-key-file=" + c.Path(tokenKey),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--kubelet-client-certificate=" + c.Path(adminCert),
		"--kubelet-client-key=" + c.Path(adminKey),
		// The node's name does not resolve; its address does.
		"--kubelet-preferred-address-types=InternalIP",
		"--proxy-client-cert-file=" + c.Path(adminCert),
		"--proxy-client-key-file=" + c.Path(adminKey),
		"--requestheader-client-ca-file=" + c.Path(caCert),
		"--requestheader-allowed-names=" + adminName,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--audit-policy-file=" + c.Path(auditPolicyFile),
		"--audit-log-path=" + c.AuditLog(),
		// No rotation below 1 GB: tests read the log from its beginning.
		"--audit-log-maxsize=1000",
		"--audit-log-maxbackup=1",
	}
}

func controllerManagerArgs(c plan.Cluster) []string {
	return append(kubeconfigArgs(c),
		"--service-account-private-key-file="+c.Path(tokenKey),
		"--root-ca-file="+c.Path(caCert),
		"--use-service-account-credentials=true",
		"--allocate-node-cidrs=true",
		"--cluster-cidr="+c.PodCIDR(),
		"--cluster-signing-cert-file="+c.Path(caCert),
		"--cluster-signing-key-file="+c.Path(caKey),
		"--flex-volume-plugin-dir="+c.Path(volumePluginDir),
		// A controller manager goes down with its API server where a site runs both. Here
		// it outlives it, finds that its nodes were silent, and would take all pods out of
		// their services the moment that the server is back.
		"--node-monitor-grace-period=10m",
		"--leader-elect=false",
	)
}

func schedulerArgs(c plan.Cluster) []string {
	return append(kubeconfigArgs(c), "--leader-elect=false")
}

func kubeconfigArgs(c plan.Cluster) []string {
	return []string{
		"--kubeconfig=" + c.Kubeconfig(),
		"--authorization-kubeconfig=" + c.Kubeconfig(),
		"--authentication-kubeconfig=" + c.Kubeconfig(),
		"--bind-address=127.0.0.1",
	}
}

func containerdArgs(c plan.Cluster) []string {
	return []string{"--config=" + c.Path(containerdFile)}
}

// kubeletMounts runs the kubelet in a mount namespace of its own, so that the
// fixed paths do not clash with another kubelet's. The volumes it mounts must
// still reach containerd, so the cluster's directory is a shared mount (see
// package host), and only the mounts around the fixed paths become private.
const kubeletMounts = `set -eu
while [ "$1" != -- ]; do
  mount --make-private "$(findmnt --noheadings --output TARGET --target "$1")"
  mount --bind "$2" "$1"
  shift 2
done
shift
exec "$@"`

// wrapKubelet puts the mount namespace around a kubelet's command line.
func wrapKubelet(c plan.Cluster, line []string) []string {
	wrapped := []string{"unshare", "--mount", "--propagation", "unchanged", "--", "sh", "-c", kubeletMounts, "kubelet"}
	for _, dir := range plan.KubeletFixedDirs() {
		wrapped = append(wrapped, dir, c.BehindFixed(dir))
	}
	return append(append(wrapped, "--"), line...)
}

func kubeletArgs(c plan.Cluster) []string {
	return []string{
		"--config=" + c.Path(kubeletFile),
		"--kubeconfig=" + c.Kubeconfig(),
		"--root-dir=" + c.Path("kubelet"),
		"--hostname-override=" + c.NodeName(),
		"--node-ip=" + c.NodeIP(),
		"--node-labels=topology.kubernetes.io/region=" + c.Region() + ",topology.kubernetes.io/zone=" + c.Zone(),
		"--v=2",
	}
}

func proxyArgs(c plan.Cluster) []string {
	return []string{
		"--kubeconfig=" + c.Kubeconfig(),
		"--proxy-mode=nftables",
		"--cluster-cidr=" + c.PodCIDR(),
		"--hostname-override=" + c.NodeName(),
		"--conntrack-max-per-core=0",
	}
}

func balancerArgs(c plan.Cluster) []string {
	return []string{"balancer", "--kubeconfig=" + c.Kubeconfig(), "--range=" + c.LBRange(), "--device=eth0"}
}
