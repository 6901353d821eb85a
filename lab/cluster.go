package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/internal/build"
	"github.com/eastwest-mesh/eastwest/lab/internal/host"
	"github.com/eastwest-mesh/eastwest/lab/internal/kube"
	"github.com/eastwest-mesh/eastwest/lab/internal/node"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
	"github.com/eastwest-mesh/eastwest/lab/internal/proc"
)

// stopPatience is how long a process has to end after a signal.
const stopPatience = 20 * time.Second

// Cluster is one cluster of a lab.
type Cluster struct {
	// Name is cN, Index its number N.
	Name  string
	Index int
	// Context is the name of context, cluster and user in the kubeconfig.
	Context string
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig string
	// NodeName and NodeIP are those of the only node.
	NodeName, NodeIP string
	// Netns is the name of the network namespace.
	Netns string
	// PodCIDR, ServiceCIDR and LBRange are its networks.
	PodCIDR, ServiceCIDR, LBRange string
	// AuditLog is the path of the API server's audit log.
	AuditLog string
	// Spec says what the cluster was made with.
	Spec ClusterSpec

	plan      plan.Cluster
	artifacts *build.Artifacts
}

func newCluster(p plan.Cluster, s ClusterSpec, a *build.Artifacts) *Cluster {
	return &Cluster{
		Name: p.Name(), Index: p.Index, Context: p.Context(), Kubeconfig: p.Kubeconfig(),
		NodeName: p.NodeName(), NodeIP: p.NodeIP(), Netns: p.Netns(),
		PodCIDR: p.PodCIDR(), ServiceCIDR: p.ServiceCIDR(), LBRange: p.LBRange(),
		AuditLog: p.AuditLog(), Spec: s, plan: p, artifacts: a,
	}
}

// Components lists the components of a cluster in the order they start.
func Components() []string { return node.Components() }

// Command prepares a command which runs in the cluster's network namespace,
// with the lab's tools in PATH and KUBECONFIG set.
func (c *Cluster) Command(ctx context.Context, args ...string) *exec.Cmd {
	line := host.InNetns(c.plan, args...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+c.toolPath(), "KUBECONFIG="+c.Kubeconfig)
	return cmd
}

// Exec runs a command in the cluster's network namespace and returns what it
// printed on stdout. The error of a command that failed holds its stderr.
func (c *Cluster) Exec(ctx context.Context, args ...string) ([]byte, error) {
	var out, errOut bytes.Buffer
	cmd := c.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("run %q in cluster %s: %w: %s", strings.Join(args, " "), c.Name, err, strings.TrimSpace(errOut.String()))
	}
	return out.Bytes(), nil
}

// Stop signals one component and, unless the signal only suspends or resumes
// it, waits until the process is gone. A component that does not run is fine.
func (c *Cluster) Stop(ctx context.Context, component string, sig unix.Signal) error {
	if err := checkComponent(component); err != nil {
		return err
	}
	id, ok := proc.ReadFile(c.plan.PIDFile(component))
	if !ok {
		return nil
	}
	if err := id.Signal(sig); err != nil {
		return fmt.Errorf("stop %s of cluster %s: %w", component, c.Name, err)
	}
	if sig == unix.SIGSTOP || sig == unix.SIGCONT {
		return nil
	}
	return kube.Await(ctx, stopPatience, component+" of cluster "+c.Name+" to end", func(context.Context) error {
		if id.Alive() {
			return fmt.Errorf("process %d still runs", id.PID)
		}
		return nil
	})
}

// Start starts one component if it does not run.
func (c *Cluster) Start(ctx context.Context, component string) error {
	if err := checkComponent(component); err != nil {
		return err
	}
	if _, ok := c.running(component); ok {
		return nil
	}
	cgroups, err := host.EnsureCgroups(c.plan)
	if err != nil {
		return fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	line := node.Command(component, c.plan, node.Tools{Kubernetes: c.artifacts.Kubernetes, Lab: c.artifacts.Lab})
	_, err = proc.Start(ctx, proc.Spec{
		Path: line[0], Args: line[1:],
		// A fixed environment: nothing of the caller's leaks into the cluster.
		Env:     []string{"PATH=" + systemPath, "HOME=/", "TMPDIR=/tmp", c.plan.Marker()},
		Netns:   c.plan.NetnsPath(),
		Cgroups: cgroups,
		PIDFile: c.plan.PIDFile(component),
		LogFile: c.plan.Log(component),
	})
	return err
}

// PID is the process of a component, 0 if it does not run.
func (c *Cluster) PID(component string) int {
	id, _ := c.running(component)
	return id.PID
}

func (c *Cluster) running(component string) (proc.ID, bool) {
	id, ok := proc.ReadFile(c.plan.PIDFile(component))
	if !ok || !id.Alive() {
		return proc.ID{}, false
	}
	return id, true
}

// LoadImage imports a docker or OCI archive, so that pods can run its images.
func (c *Cluster) LoadImage(ctx context.Context, archive string) error {
	_, err := c.Exec(ctx, "ctr", "--address", c.plan.ContainerdSocket(), "--namespace", "k8s.io", "images", "import", archive)
	if err != nil {
		return fmt.Errorf("load image %s: %w", archive, err)
	}
	return nil
}

// Kubectl runs kubectl against the cluster.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) ([]byte, error) {
	return c.Exec(ctx, append([]string{filepath.Join(c.artifacts.Kubernetes, "kubectl")}, args...)...)
}

func (c *Cluster) client() (*kube.Client, error) {
	return kube.New(c.Kubeconfig, filepath.Join(c.artifacts.Kubernetes, "kubectl"))
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (c *Cluster) toolPath() string {
	return strings.Join([]string{c.artifacts.Kubernetes, c.artifacts.Istio, os.Getenv("PATH"), systemPath}, ":")
}

func checkComponent(name string) error {
	if !slices.Contains(node.Components(), name) {
		return fmt.Errorf("no component %q: there are %s", name, strings.Join(node.Components(), ", "))
	}
	return nil
}
