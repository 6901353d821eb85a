//go:build bench

package scale

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/internal/testapi"
	"github.com/eastwest-mesh/eastwest/internal/testca"
	"github.com/eastwest-mesh/eastwest/lab/internal/sides"
)

// The servers.
const (
	agent  = "agent"
	istiod = "istiod"
	tuned  = "istiod tuned"
)

// settings of istiod, beside those that it ships with.
var settings = map[string]map[string]string{
	istiod: nil,
	tuned: {
		"PILOT_DEBOUNCE_AFTER": "1ms", "PILOT_ENABLE_EDS_DEBOUNCE": "false",
		"PILOT_PUSH_THROTTLE": "100", "PILOT_MAX_REQUESTS_PER_SECOND": "10000",
	},
}

// core is the processor of the servers.
var core = 0

// world is the own cluster, and a fleet beside it.
type world struct {
	*fleet
	kube kubernetes.Interface
	own  sides.Cluster
	root *testca.Signer
	dir  string
	// dead is a member that does not answer; nil where there is none.
	dead *sides.Cluster
}

func newWorld(b *testing.B, f *fleet) *world {
	b.Helper()
	w := &world{fleet: f, kube: testapi.Client(b), root: testca.Root(b), dir: b.TempDir()}
	w.own = sides.Cluster{Name: "own", ID: "own", Network: near, MeshID: "bench", Kubeconfig: filepath.Join(w.dir, "own.kubeconfig")}
	if err := os.WriteFile(w.own.Kubeconfig, testapi.Kubeconfig(b), 0o600); err != nil {
		b.Fatal(err)
	}
	for name, labels := range map[string]map[string]string{
		namespace: nil, "eastwest-system": nil, "istio-system": {networkLabel: near},
	} {
		_, err := w.kube.CoreV1().Namespaces().Create(b.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
		if err != nil && !errors.IsAlreadyExists(err) {
			b.Fatal(err)
		}
	}
	w.introduce(b)
	return w
}

// introduce makes the secrets by which istiod finds the members.
func (w *world) introduce(b *testing.B) {
	b.Helper()
	secrets := w.kube.CoreV1().Secrets("istio-system")
	forget := func() {
		if err := secrets.DeleteCollection(context.WithoutCancel(b.Context()), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "istio/multiCluster=true"}); err != nil {
			b.Error(err)
		}
	}
	forget()
	b.Cleanup(forget)
	for _, peer := range w.peers(b) {
		kubeconfig, err := os.ReadFile(peer.Kubeconfig)
		if err != nil {
			b.Fatal(err)
		}
		_, err = secrets.Create(b.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: "istio-remote-secret-" + peer.Name, Labels: map[string]string{"istio/multiCluster": "true"},
				Annotations: map[string]string{"networking.istio.io/cluster": peer.ID, networkLabel: peer.Network},
			},
			Data: map[string][]byte{peer.ID: kubeconfig},
		}, metav1.CreateOptions{})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// server is one of them under way.
type server interface {
	process
	// Heap is what is in use after a collection, in bytes.
	Heap(ctx context.Context) (int64, error)
	// Profile is one by the name and parameters of net/http/pprof.
	Profile(ctx context.Context, which string) ([]byte, error)
}

// process is anything that serves.
type process interface {
	PID() int
	Stop()
}

// keepProfile writes a profile into the folder for them, if there is one.
func keepProfile(b *testing.B, s server, which, name string) {
	b.Helper()
	folder := os.Getenv("EASTWEST_BENCH_PROFILES")
	if folder == "" {
		return
	}
	text, err := s.Profile(b.Context(), which)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name), text, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// start runs a server until the benchmark ends, or it is stopped, and returns a way to
// connect a proxy.
func (w *world) start(b *testing.B, name string) (server, func() *sides.Proxy) {
	b.Helper()
	s := w.run(b, name)
	if one, is := s.(*sides.Istiod); is {
		return s, func() *sides.Proxy { return one.Proxy(b, namespace) }
	}
	return s, func() *sides.Proxy { return s.(*sides.Agent).Proxy(b) } //nolint:forcetypeassert // there are two
}

// client is a connection to a server, and who it is for.
func client(b *testing.B, s process, number int) (*grpc.ClientConn, *corev3.Node) {
	b.Helper()
	switch one := s.(type) {
	case *sides.Istiod:
		return one.Client(b, namespace, number)
	case *child:
		return one.Client(b, number)
	}
	return s.(*sides.Agent).Client(b, number) //nolint:forcetypeassert // there are no others
}

func (w *world) run(b *testing.B, name string) server {
	b.Helper()
	run := sides.Run{Core: &core}
	if name != agent {
		return sides.StartIstiod(b, sides.IstiodOptions{Binary: binary(b, name), Own: w.own, Settings: settings[name], Run: run})
	}
	return sides.StartAgent(b, sides.AgentOptions{
		Binary: binary(b, name), Own: w.own, Peers: w.peers(b), Namespaces: []string{namespace}, Root: w.root, Run: run,
	})
}

func (w *world) peers(b *testing.B) []sides.Cluster {
	b.Helper()
	var all []sides.Cluster
	for i, member := range w.members {
		all = append(all, sides.Cluster{
			Name: member.Name, ID: member.Name, Network: networkOf(i), MeshID: "bench", Kubeconfig: member.Kubeconfig(b, w.dir), Gateway: gatewayNamespace + "/gateway",
		})
	}
	if w.dead != nil {
		all = append(all, *w.dead)
	}
	return all
}

// awaitWhole waits until a proxy has been told of all there is.
func (w *world) awaitWhole(b *testing.B, name string, p *sides.Proxy) {
	b.Helper()
	sides.Await(b, name+" has told all there is", func(context.Context) error { return w.compare(p, func(int, int) int { return 0 }) })
}

// compare wants of a proxy what the members have in these editions.
func (w *world) compare(p *sides.Proxy, edition func(member, service int) int) error {
	answers, err := p.Answers()
	if err != nil {
		return err
	}
	for n := range w.services {
		got := answers[sides.Port{Namespace: namespace, Service: serviceName(n), Number: 80}]
		want := w.want(n, func(member int) int { return edition(member, n) })
		known := 0
		for address := range got {
			if _, is := want[address]; is {
				known++
			}
		}
		beyond := 0
		if _, gateway := got[gatewayAddress(0)+":15443"]; gateway {
			beyond = 1
		}
		if known != len(want) || len(got) != known+beyond || beyond == 0 && w.gatewayed() {
			return fmt.Errorf("%s has %d of %d endpoints, %d in all, gateway %t", serviceName(n), known, len(want), len(got), beyond == 1)
		}
	}
	return nil
}

// gatewayed reports whether both servers lead to the far network: istiod does so to what
// it takes for pods with sidecars only.
func (w *world) gatewayed() bool { return w.pods }
