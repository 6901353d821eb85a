package sides

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"

	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// AgentOptions say how an agent is run.
type AgentOptions struct {
	// Binary is the path of eastwest-agent.
	Binary string
	// Own is the cluster it belongs to, Peers are those it watches beside.
	Own   Cluster
	Peers []Cluster
	// Namespaces are exported as a whole, as istiod takes all there are.
	Namespaces []string
	// Root is above the certificates of all agents and gateways.
	Root *testca.Signer
	// Run is what the process gets of the host.
	Run Run
}

// Agent is an agent that runs on the host.
type Agent struct {
	*Process
	options        AgentOptions
	address, admin string
	root           *testca.Signer
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
	process := start(t, o.Run, []string{"POD_NAME=" + o.Own.Name + "-on-host"}, o.Binary, "run",
		"--config", filepath.Join(dir, "agent.yaml"), "--kubeconfig", o.Own.Kubeconfig, "--ca-folder", ca)
	AwaitStart(t, "the agent is ready", func(ctx context.Context) error { return Healthy(ctx, "http://"+ports[2]+"/readyz") })
	return &Agent{Process: process, options: o, address: ports[0], admin: ports[1], root: o.Root}
}

// config is the agent's file.
func (o AgentOptions) config(members string, ports []string) string {
	rules := make([]string, 0, len(o.Namespaces))
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
`, o.Own.Name, o.Own.ID, o.Own.Network, o.Own.MeshID, strings.Join(rules, ", "), members, ports[0], ports[1], ports[2])
}

// record is what an agent is told of a peer. Its gateway is the one that istiod
// leads to as well.
func record(peer Cluster) string {
	text := fmt.Sprintf(`apiVersion: eastwest.dev/v1alpha1
kind: MemberRecord
name: %s
clusterID: %s
network: %s
identity: %s
`, peer.Name, peer.ID, peer.Network, gatewayIdentity(peer))
	if peer.Gateway != "" {
		text += "gatewayService: " + peer.Gateway + "\n"
	}
	return text
}

func gatewayIdentity(of Cluster) string {
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

// Heap is what the agent has in use of its heap after a collection, in bytes.
func (a *Agent) Heap(ctx context.Context) (int64, error) { return heap(ctx, a.admin) }

// Profile is one of the agent's, by the name and parameters of net/http/pprof.
func (a *Agent) Profile(ctx context.Context, which string) ([]byte, error) {
	return profile(ctx, a.admin, which)
}

// Proxy is a gateway of the agent's cluster.
func (a *Agent) Proxy(t testing.TB) *Proxy {
	t.Helper()
	conn, node := a.Client(t, 0)
	return connect(t, conn, node, agentPortOf)
}

// Client is a connection for a gateway of the agent's cluster, and who it is. Each
// number is another one.
func (a *Agent) Client(t testing.TB, number int) (*grpc.ClientConn, *corev3.Node) {
	t.Helper()
	own := a.options.Own
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*a.root.Leaf(t, gatewayIdentity(own)).TLS()},
		// The agent's name is its SPIFFE ID, which crypto/tls does not compare.
		InsecureSkipVerify: true,
	}
	return xdsclient.Dial(t, a.address, config), &corev3.Node{Id: fmt.Sprint("gateway-on-host-", number), Cluster: own.Name}
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
