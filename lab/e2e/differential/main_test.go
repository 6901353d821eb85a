//go:build e2e

package differential

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/lab"
	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

var suite rig.Rig

func TestMain(m *testing.M) {
	o := lab.Options{
		Name: cmp.Or(os.Getenv("EASTWEST_E2E_DIFFERENTIAL_LAB"), "diff"), Clusters: 2, Istio: &lab.Istio{Roots: lab.RootsShared},
	}
	os.Exit(rig.Main(m, &suite, o, "../../../bin/eastwest"))
}

// TestDifferential joins the clusters once. Its parts follow each other; each has
// services of its own.
func TestDifferential(t *testing.T) {
	suite.Run(t, 0, slices.Concat([]string{
		"up", "--source-ranges", suite.Lab.BridgeCIDR, "--no-verify", "--accept-merge", "--yes",
	}, suite.Members())...)
	w := newWorld(t)
	t.Run("equal", func(t *testing.T) { testEqual(t, w) })
	t.Run("different by design", func(t *testing.T) { testDesigned(t, w) })
	t.Run("pods", func(t *testing.T) { testPods(t, w) })
	t.Run("random", func(t *testing.T) { testRandom(t, w) })
	t.Run("a proxy that comes late is told the same", func(t *testing.T) { testLate(t, w) })
}

// world is the clusters with the proxies that ask for their endpoints.
type world struct {
	kube [2]kubernetes.Interface
	// gateways are the addresses by which the clusters reach each other, to the name
	// of the cluster behind.
	gateways map[string]string
	istiods  [2]*sides.Istiod
	agents   [2]*sides.Agent
	asking   proxies
}

// proxies are one of each server in each cluster.
type proxies struct{ istiod, agent [2]*sides.Proxy }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{gateways: map[string]string{}}
	binary, err := filepath.Abs(cmp.Or(os.Getenv("EASTWEST_AGENT_BIN"), "../../../bin/eastwest-agent"))
	if err != nil {
		t.Fatal(err)
	}
	suite.Each(func(i int) {
		suite.Kubectl(t, i, "delete", "namespace", namespace, shipped, "--ignore-not-found")
		suite.Apply(t, i, namespaces)
		w.kube[i-1] = sides.Kube(t, suite.Cluster(i).Kubeconfig)
		address := suite.Kubectl(t, i, "-n", "istio-system", "get", "service", "istio-eastwestgateway", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		w.gateways[address+":15443"] = suite.Cluster(i).Name
	})
	root := testca.Root(t)
	suite.Each(func(i int) {
		w.istiods[i-1] = sides.OpenIstiod(t, w.kube[i-1], suite.Cluster(i))
		w.agents[i-1] = sides.StartAgent(t, sides.AgentOptions{
			Binary: binary, Own: sides.Of(suite.Cluster(i)), Peers: []sides.Cluster{sides.Of(suite.Cluster(3 - i))}, Root: root,
			Namespaces: []string{namespace, shipped},
		})
	})
	w.asking = w.ask(t)
	return w
}

// ask connects new proxies.
func (w *world) ask(t *testing.T) proxies {
	t.Helper()
	var p proxies
	for i := range w.kube {
		p.istiod[i], p.agent[i] = w.istiods[i].Proxy(t, namespace, shipped), w.agents[i].Proxy(t)
	}
	return p
}
