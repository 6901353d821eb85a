package sides

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
	"github.com/eastwest-mesh/eastwest/lab"
)

// AgentOptions say how an agent is run.
type AgentOptions struct {
	// Binary is the path of eastwest-agent.
	Binary string
	// Own is the cluster it belongs to, Peers are those it watches beside.
	Own   *lab.Cluster
	Peers []*lab.Cluster
	// Namespaces are exported as a whole, as istiod takes all there are.
	Namespaces []string
	// Root is above the certificates of all agents and gateways.
	Root *testca.Signer
}

// Agent is an agent that runs on the host.
type Agent struct {
	options AgentOptions
	address string
	root    *testca.Signer
}

// StartAgent runs an agent until the test ends, and waits until it serves.
func StartAgent(t testing.TB, o AgentOptions) *Agent {
	t.Helper()
	dir := t.TempDir()
	members, ca := filepath.Join(dir, "members"), filepath.Join(dir, "ca")
	for _, one := range []string{members, ca} {
		if err := os.Mkdir(one, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	testca.Write(t, ca, o.Root.Intermediate(t).Files(t))
	for _, peer := range o.Peers {
		kubeconfig, err := os.ReadFile(peer.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		testca.Write(t, members, map[string][]byte{
			peer.Name + ".member.yaml": []byte(record(peer)), peer.Name + ".kubeconfig": kubeconfig,
		})
	}
	ports := freePorts(t, 3)
	testca.Write(t, dir, map[string][]byte{"agent.yaml": []byte(o.config(members, ports))})
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), o.Binary, "run",
		"--config", filepath.Join(dir, "agent.yaml"), "--kubeconfig", o.Own.Kubeconfig, "--ca-folder", ca)
	cmd.Env = []string{"POD_NAME=" + o.Own.Name + "-on-host"}
	start(t, cmd)
	Await(t, "the agent is ready", func(ctx context.Context) error { return Healthy(ctx, "http://"+ports[2]+"/readyz") })
	return &Agent{options: o, address: ports[0], root: o.Root}
}

// config is the agent's file.
func (o AgentOptions) config(members string, ports []string) string {
	spec, rules := o.Own.Spec.Istio, make([]string, 0, len(o.Namespaces))
	for _, namespace := range o.Namespaces {
		rules = append(rules, fmt.Sprintf(`{namespace: %s, name: "*"}`, namespace))
	}
	return fmt.Sprintf(`apiVersion: eastwest.dev/v1alpha1
kind: AgentConfig
member: {name: %s, clusterID: %s, network: %s}
mesh: %s
dataPlane: envoy
exports: {policy: [%s]}
members: {source: folder, folder: %s}
listen: {xds: "%s", admin: "%s", health: "%s"}
`, o.Own.Name, spec.ClusterID, spec.Network, spec.MeshID, strings.Join(rules, ", "), members, ports[0], ports[1], ports[2])
}

// record is what an agent is told of a peer. Its gateway is the one that istiod
// leads to as well.
func record(peer *lab.Cluster) string {
	spec := peer.Spec.Istio
	return fmt.Sprintf(`apiVersion: eastwest.dev/v1alpha1
kind: MemberRecord
name: %s
clusterID: %s
network: %s
identity: %s
gatewayService: istio-system/istio-eastwestgateway
`, peer.Name, spec.ClusterID, spec.Network, gatewayIdentity(peer))
}

func gatewayIdentity(of *lab.Cluster) string {
	return "spiffe://" + testca.TrustDomain + "/ns/eastwest-system/sa/gateway-" + of.Name
}

// freePorts are addresses on loopback that nobody listens on.
func freePorts(t testing.TB, count int) []string {
	t.Helper()
	var free []string
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		free = append(free, listener.Addr().String())
	}
	return free
}

// start runs a command until the test ends, and shows the end of its log where the
// test failed.
func start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		err := cmd.Wait()
		if t.Failed() || err != nil {
			text := log.Bytes()
			t.Logf("%s ended with %v; its log ends:\n%s", filepath.Base(cmd.Path), err, text[max(0, len(text)-6000):])
		}
	})
}

// Healthy asks a page that says whether somebody is ready.
func Healthy(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// Proxy is a gateway of the agent's cluster.
func (a *Agent) Proxy(t testing.TB) *Proxy {
	t.Helper()
	own := a.options.Own
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*a.root.Leaf(t, gatewayIdentity(own)).TLS()},
		// The agent's name is its SPIFFE ID, which crypto/tls does not compare.
		InsecureSkipVerify: true,
	}
	node := &corev3.Node{Id: "gateway-on-host", Cluster: own.Name}
	return connect(t, xdsclient.Dial(t, a.address, config), node, agentPortOf)
}

// agentPortOf reads the name of a cluster of ours. The way out is above the way in,
// which has the own member's pods only: a service that no other network has is called
// without the gateway, so that there is no way out.
func agentPortOf(cluster string) (port Port, rank int, is bool) {
	if number, host, found := strings.Cut(strings.TrimPrefix(cluster, "egress|"), "|"); found {
		port, is = portOf(number, host, "")
		return port, 1, is
	}
	number, host, _ := strings.Cut(strings.TrimPrefix(cluster, "outbound_."), "_._.")
	port, is = portOf(number, host, ".svc.cluster.local")
	return port, 0, is
}
