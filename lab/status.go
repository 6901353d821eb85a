package lab

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/internal/mesh"
	"github.com/eastwest-mesh/eastwest/lab/internal/node"
	"github.com/eastwest-mesh/eastwest/lab/internal/proc"
)

// statusPatience is how long a cluster has to answer.
const statusPatience = 5 * time.Second

// States of a component.
const (
	StateRunning = "running"
	StateDead    = "dead"
)

// Status is everything a script needs to know of a lab. Fields are only added.
type Status struct {
	Name       string          `json:"name"`
	Bridge     string          `json:"bridge"`
	BridgeCIDR string          `json:"bridgeCIDR"`
	Flat       bool            `json:"flat"`
	SameCIDRs  bool            `json:"sameCIDRs"`
	Ready      bool            `json:"ready"`
	Clusters   []ClusterStatus `json:"clusters"`
	// Images are the names of the images in every cluster with their archives.
	Images []ImageStatus `json:"images"`
	Tools  Tools         `json:"tools"`
}

// ClusterStatus is the part of one cluster.
type ClusterStatus struct {
	Name        string `json:"name"`
	Index       int    `json:"index"`
	Context     string `json:"context"`
	Kubeconfig  string `json:"kubeconfig"`
	Server      string `json:"server"`
	NodeName    string `json:"nodeName"`
	NodeIP      string `json:"nodeIP"`
	Netns       string `json:"netns"`
	PodCIDR     string `json:"podCIDR"`
	ServiceCIDR string `json:"serviceCIDR"`
	LBRange     string `json:"lbRange"`
	AuditLog    string `json:"auditLog"`
	LogDir      string `json:"logDir"`

	// Of Istio; empty where there is none.
	Network   string `json:"network,omitempty"`
	ClusterID string `json:"clusterID,omitempty"`
	Revision  string `json:"revision,omitempty"`
	MeshID    string `json:"meshID,omitempty"`
	Roots     Roots  `json:"roots,omitempty"`

	// Ready means node, DNS and istiod are; Problem says what is not.
	Ready   bool   `json:"ready"`
	Problem string `json:"problem,omitempty"`
	// MemoryBytes is the memory of all its processes, pods included; pages
	// which processes share are divided among them (PSS).
	MemoryBytes int64             `json:"memoryBytes"`
	Components  []ComponentStatus `json:"components"`
}

// ComponentStatus is one process of a cluster.
type ComponentStatus struct {
	Name  string `json:"name"`
	State string `json:"state"`
	PID   int    `json:"pid,omitempty"`
	Log   string `json:"log"`
}

// ImageStatus is one image.
type ImageStatus struct {
	Name    string `json:"name"`
	Archive string `json:"archive"`
}

// Tools are the executables which go with the lab.
type Tools struct {
	Kubectl       string `json:"kubectl"`
	Istioctl      string `json:"istioctl"`
	Envoy         string `json:"envoy"`
	KubernetesDir string `json:"kubernetesDir"`
	IstioDir      string `json:"istioDir"`
}

// Tools says where the lab's executables are.
func (l *Lab) Tools() Tools {
	return Tools{
		Kubectl:       filepath.Join(l.artifacts.Kubernetes, "kubectl"),
		Istioctl:      filepath.Join(l.artifacts.Istio, "istioctl"),
		Envoy:         l.artifacts.Envoy,
		KubernetesDir: l.artifacts.Kubernetes,
		IstioDir:      l.artifacts.Istio,
	}
}

// Status asks all clusters how they are; one that does not answer is not ready.
func (l *Lab) Status(ctx context.Context) Status {
	s := Status{
		Name: l.Name, Bridge: l.Bridge, BridgeCIDR: l.BridgeCIDR,
		Flat: l.spec.Flat, SameCIDRs: l.spec.SameCIDRs, Ready: true,
		Clusters: make([]ClusterStatus, len(l.Clusters)), Tools: l.Tools(),
	}
	var wg sync.WaitGroup
	for i, c := range l.Clusters {
		wg.Go(func() { s.Clusters[i] = c.status(ctx) })
	}
	wg.Wait()
	for _, c := range s.Clusters {
		s.Ready = s.Ready && c.Ready
	}
	images := l.Images()
	for _, name := range slices.Sorted(maps.Keys(images)) {
		s.Images = append(s.Images, ImageStatus{Name: name, Archive: images[name]})
	}
	return s
}

func (c *Cluster) status(ctx context.Context) ClusterStatus {
	s := ClusterStatus{
		Name: c.Name, Index: c.Index, Context: c.Context, Kubeconfig: c.Kubeconfig, Server: c.plan.Server(),
		NodeName: c.NodeName, NodeIP: c.NodeIP, Netns: c.Netns, PodCIDR: c.PodCIDR, ServiceCIDR: c.ServiceCIDR,
		LBRange: c.LBRange, AuditLog: c.AuditLog, LogDir: c.plan.Path("logs"),
	}
	if i := c.Spec.Istio; i != nil {
		s.Network, s.ClusterID, s.Revision, s.MeshID, s.Roots = i.Network, i.ClusterID, i.Revision, i.MeshID, i.Roots
	}
	for _, name := range node.Components() {
		p := ComponentStatus{Name: name, State: StateDead, Log: c.plan.Log(name)}
		if id, ok := c.running(name); ok {
			p.State, p.PID = StateRunning, id.PID
		}
		s.Components = append(s.Components, p)
	}
	if ids, err := proc.Find(owner(c.plan)); err == nil {
		for _, id := range ids {
			s.MemoryBytes += id.Memory()
		}
	}
	err := c.ready(ctx)
	s.Ready = err == nil
	if err != nil {
		s.Problem = err.Error()
	}
	return s
}

// ready says what, if anything, keeps the cluster from being whole.
func (c *Cluster) ready(ctx context.Context) error {
	for _, name := range node.Components() {
		if _, ok := c.running(name); !ok {
			return fmt.Errorf("%s does not run; fix: lab up", name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.NodeReady(ctx, c.NodeName); err != nil {
		return err
	}
	if err := client.DeploymentReady(ctx, "kube-system", "coredns"); err != nil {
		return err
	}
	if c.Spec.Istio == nil {
		return nil
	}
	return client.DeploymentReady(ctx, mesh.Namespace, c.install().Istiod())
}
