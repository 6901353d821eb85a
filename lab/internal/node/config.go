package node

import (
	"fmt"

	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// Files of a cluster's directory, relative to it.
const (
	caCert     = "pki/ca.crt"
	caKey      = "pki/ca.key"
	serverCert = "pki/server.crt"
	serverKey  = "pki/server.key"
	adminCert  = "pki/admin.crt"
	adminKey   = "pki/admin.key"
	tokenPub   = "pki/token.pub"
	tokenKey   = "pki/token.key"

	auditPolicyFile = "audit-policy.yaml"
	containerdFile  = "containerd.toml"
	kubeletFile     = "kubelet.yaml"
	resolvFile      = "resolv.conf"
	cniDir          = "cni"
	volumePluginDir = "volume-plugins"
	cniFile         = cniDir + "/10-lab.conflist"
)

// adminName is the common name of the one client certificate.
const adminName = "admin"

// auditPolicy logs every request once, when it is answered, without bodies.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// pauseImage holds the namespaces of every pod.
const pauseImage = "lab.local/pause:lab"

// configFiles renders every configuration file of a cluster by its name.
func configFiles(c plan.Cluster) map[string]string {
	return map[string]string{
		auditPolicyFile: auditPolicy,
		containerdFile:  containerdConfig(c),
		kubeletFile:     kubeletConfig(c),
		cniFile:         cniConfig(c),
		// No name server: the lab has no route to one.
		resolvFile: "options timeout:1\n",
	}
}

// containerdConfig keeps everything below the cluster's own directories, the
// roots of runc and the pods' network namespaces included.
func containerdConfig(c plan.Cluster) string {
	return fmt.Sprintf(`version = 2
root = %[1]q
state = "%[2]s/containerd"

[grpc]
  address = %[3]q

[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE no score may be lowered and every sandbox would fail.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  sandbox_image = %[4]q

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %[5]q

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "%[2]s/runc"

[plugins."io.containerd.internal.v1.opt"]
  path = "%[1]s/opt"
`, c.Path("containerd"), c.RunDir(), c.ContainerdSocket(), pauseImage, c.Path(cniDir))
}

// cniConfig masquerades what leaves the pod network, which makes the clusters
// separate networks. A flat lab has rules of its own for that (package host).
func cniConfig(c plan.Cluster) string {
	return fmt.Sprintf(`{
  "cniVersion": "0.4.0",
  "name": %q,
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "ipMasq": %t,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "dataDir": %q,
        "ranges": [[{"subnet": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, c.ID(), !c.Lab.Flat, c.Path("cni-data"), c.NodePodCIDR())
}

func kubeletConfig(c plan.Cluster) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: %[1]s
containerRuntimeEndpoint: unix://%[2]s
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: %[3]s}
authorization: {mode: AlwaysAllow}
tlsCertFile: %[4]s
tlsPrivateKeyFile: %[5]s
clusterDNS: [%[6]s]
clusterDomain: cluster.local
resolvConf: %[7]s
podLogsDir: %[8]s
volumePluginDir: %[9]s
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
# Images are loaded by hand; one that was collected could not be pulled again.
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 8760h
# The defaults make a pod Ready late and slow to go on a busy host.
nodeStatusUpdateFrequency: 5s
# How soon files of a ConfigMap follow it; by default that takes a minute and more.
syncFrequency: 10s
serializeImagePulls: false
`, c.Cgroup(), c.ContainerdSocket(), c.Path(caCert), c.Path(serverCert), c.Path(serverKey),
		c.DNSIP(), c.Path(resolvFile), c.Path("pods"), c.Path(volumePluginDir))
}
