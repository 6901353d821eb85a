// Package mesh installs Istio into a cluster of the lab: one istiod of a named
// revision, with stock Envoy proxies, and the CA of the mesh where one is given.
package mesh

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Namespace is where istiod runs.
const Namespace = "istio-system"

// Install says what one cluster's istiod is to be.
type Install struct {
	Revision, MeshID, ClusterID, Network string
	// Hub and Tag name the images.
	Hub, Tag string
	// Values are further --set arguments of istioctl; they win over ours.
	Values []string
}

// Istiod is the name of the revision's deployment.
func (i Install) Istiod() string {
	if i.Revision == "" {
		return "istiod"
	}
	return "istiod-" + i.Revision
}

// values are the settings of istioctl. Stock Envoy lacks Istio's own filters,
// so metadata exchange, the ALPN filter and telemetry are off; resource
// requests are small, for many clusters share a host.
func (i Install) values() []string {
	set := []string{
		"profile=minimal",
		"hub=" + i.Hub,
		"tag=" + i.Tag,
		"values.global.meshID=" + i.MeshID,
		"values.global.multiCluster.clusterName=" + i.ClusterID,
		"values.global.network=" + i.Network,
		"values.global.imagePullPolicy=IfNotPresent",
		"values.global.proxy.resources.requests.cpu=10m",
		"values.global.proxy.resources.requests.memory=40Mi",
		"values.pilot.autoscaleEnabled=false",
		"values.pilot.resources.requests.cpu=20m",
		"values.pilot.resources.requests.memory=128Mi",
		"values.pilot.env.PILOT_ENABLE_METADATA_EXCHANGE=false",
		"values.pilot.env.PILOT_ENABLE_ALPN_FILTER=false",
		"values.telemetry.enabled=false",
	}
	if i.Revision != "" {
		set = append(set, "revision="+i.Revision)
	}
	return append(set, i.Values...)
}

// Key changes whenever an installed istiod would have to change.
func (i Install) Key() string { return strings.Join(i.values(), "\n") }

// NamespaceManifest is istio-system with the network label which istiod reads
// when it starts.
func (i Install) NamespaceManifest() string {
	labels := ""
	if i.Network != "" {
		labels = fmt.Sprintf("\n  labels: {topology.istio.io/network: %q}", i.Network)
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s%s\n", Namespace, labels)
}

// Manifests renders the objects of istiod with istioctl, without a cluster.
func (i Install) Manifests(ctx context.Context, istioctl string) (string, error) {
	args := []string{"manifest", "generate"}
	for _, v := range i.values() {
		args = append(args, "--set", v)
	}
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, istioctl, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("istioctl manifest generate: %w: %s", err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}
