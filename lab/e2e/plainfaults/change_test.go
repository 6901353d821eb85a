//go:build e2e

package plainfaults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/eastwest-mesh/eastwest/lab/e2e/internal/rig"
)

// testExport withdraws the shared service from c2 and offers it again, and nobody
// who calls notices.
func testExport(t *testing.T) {
	p := probe(t)
	withdrawn := time.Now()
	suite.Kubectl(t, 2, "-n", shop, "delete", "serviceexport", "hello")
	took := rig.Await(t, "c2 is not used any more", 45*time.Second, func(context.Context) error {
		recent := p.since(time.Now().Add(-time.Second))
		if counts := countVersions(recent); len(recent) < 100 || counts["c2"] > 0 {
			return fmt.Errorf("the last probes are answered by %v", counts)
		}
		return nil
	})
	t.Logf("withdrawn: c2 was not used for a second after %s", took.Round(time.Millisecond))
	created := time.Now()
	suite.Apply(t, 2, exportOfHello)
	t.Logf("offered again: first answer of c2 after %s", p.awaitVersion(t, "c2", created, 45*time.Second).Round(time.Millisecond))
	p.await(t, 5*time.Second)
	p.wantNoFailure(t, withdrawn)
	t.Log(p.failures(withdrawn))
}

// testUDP exports a service with a port that gateways do not carry: that is said, and
// the other port is served.
func testUDP(t *testing.T) {
	suite.Apply(t, 2, mixed)
	defer suite.Kubectl(t, 2, "-n", shop, "delete", "serviceexport/mixed", "service/mixed")
	suite.Kubectl(t, 1, "wait", "membercluster/c2", "--for=condition=ExportsIncomplete", "--timeout=30s")
	if out := suite.Kubectl(t, 1, "get", "membercluster", "c2", "-o", `jsonpath={.status.conditions[?(@.type=="ExportsIncomplete")].message}`); !strings.Contains(out, "53/UDP") {
		t.Errorf("the condition says %q", out)
	}
	host, c := derived(t, 1, "mixed"), newClient(1, false)
	rig.Await(t, "the port of TCP is answered", 30*time.Second, func(ctx context.Context) error {
		_, err := c.call(ctx, host, tcpPort)
		return err
	})
}

// mixed has a port of UDP beside one of TCP.
const mixed = `
apiVersion: v1
kind: Service
metadata: {name: mixed, namespace: shop}
spec:
  selector: {app: hello}
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: tcp, port: 5001, targetPort: 5000}
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: mixed, namespace: shop}
`

const exportOfHello = `
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: hello, namespace: shop}
`

// handmade is a service of c2 whose endpoints nobody but the test writes.
const handmade = `
apiVersion: v1
kind: Service
metadata: {name: handmade, namespace: shop}
spec: {ports: [{name: tcp, port: 5001, targetPort: 5000}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: handmade, namespace: shop, labels: {kubernetes.io/service-name: handmade}}
addressType: IPv4
ports: [{name: tcp, port: 5000}]
endpoints: []
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: handmade, namespace: shop}
`

// testDelay measures how long it takes until calls from c1 follow what a slice of
// c2 says.
func testDelay(t *testing.T) {
	const rounds = 10
	suite.Apply(t, 2, handmade)
	defer func() {
		suite.Kubectl(t, 2, "-n", shop, "delete", "serviceexport/handmade", "service/handmade", "endpointslice/handmade")
	}()
	pod := suite.Kubectl(t, 2, "-n", shop, "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].status.podIP}")
	host, c := derived(t, 1, "handmade"), newClient(1, false)
	comes, goes := make([]time.Duration, rounds+1), make([]time.Duration, rounds+1)
	for i := range comes {
		comes[i] = afterPatch(t, fmt.Sprintf(`[{"addresses":[%q]}]`, pod), func(ctx context.Context) error {
			_, err := c.call(ctx, host, tcpPort)
			return err
		})
		goes[i] = afterPatch(t, `[]`, func(ctx context.Context) error {
			if _, err := c.call(ctx, host, tcpPort); err == nil {
				return errors.New("it is still answered")
			}
			return nil
		})
	}
	t.Logf("the first endpoint of a new service of c2 is used from c1 after %s", comes[0].Round(time.Millisecond))
	comes, goes = comes[1:], goes[1:]
	t.Logf("an endpoint of c2 is used from c1 after %s", spread(comes))
	t.Logf("one that went is not used after %s", spread(goes))
}

// afterPatch writes the endpoints of the slice and returns how long after the call
// to the API server began the data path was as asked.
func afterPatch(t *testing.T, endpoints string, ask func(context.Context) error) time.Duration {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", suite.Cluster(2).Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := rig.Bounded(t, 20*time.Second)
	defer cancel()
	slices := kube.DiscoveryV1().EndpointSlices(shop)
	if _, err := slices.Get(ctx, "handmade", metav1.GetOptions{}); err != nil { // connects
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := slices.Patch(ctx, "handmade", types.MergePatchType, []byte(`{"endpoints":`+endpoints+`}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	for {
		err := ask(ctx)
		if err == nil {
			return time.Since(start)
		}
		if ctx.Err() != nil {
			t.Fatalf("endpoints %s: %v", endpoints, err)
		}
	}
}

// spread sorts durations and says what they are like.
func spread(took []time.Duration) string {
	slices.Sort(took)
	n := len(took)
	return fmt.Sprintf("%s (median of %d, %s to %s)", took[n/2].Round(time.Millisecond), n, took[0].Round(time.Millisecond), took[n-1].Round(time.Millisecond))
}
