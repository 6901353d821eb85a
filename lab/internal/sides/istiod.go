package sides

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
	"github.com/eastwest-mesh/eastwest/lab"
)

// istiodPort is where istiod serves xDS in clear, and asks nobody who he is.
const istiodPort = 15010

// istiodService is the Service by which the host reaches istiod, as a proxy would:
// through kube-proxy and no API server.
const istiodService = "istiod-from-host"

// Istiod is the istiod of a cluster.
type Istiod struct {
	cluster Cluster
	address string
	// Process is its own where it runs on the host, and pages is where that shows profiles.
	*Process
	pages string
}

// OpenIstiod makes a cluster's istiod reachable from the host, until the test ends.
func OpenIstiod(t testing.TB, kube kubernetes.Interface, c *lab.Cluster) *Istiod {
	t.Helper()
	services := kube.CoreV1().Services("istio-system")
	want := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: istiodService},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: map[string]string{"app": "istiod"},
			Ports: []corev1.ServicePort{{Name: "grpc-xds", Port: istiodPort}},
		},
	}
	made, err := services.Create(t.Context(), want, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) { // of a run that was killed
		made, err = services.Get(t.Context(), istiodService, metav1.GetOptions{})
	}
	if err != nil {
		t.Fatalf("make istiod of %s reachable: %v", c.Name, err)
	}
	t.Cleanup(func() {
		if err := services.Delete(context.WithoutCancel(t.Context()), istiodService, metav1.DeleteOptions{}); err != nil {
			t.Errorf("remove the Service of istiod of %s: %v", c.Name, err)
		}
	})
	i := &Istiod{cluster: Of(c), address: net.JoinHostPort(c.NodeIP, strconv.Itoa(int(made.Spec.Ports[0].NodePort)))}
	i.awaitConnections(t)
	return i
}

// awaitConnections waits until istiod takes them: kube-proxy is told of it by and by.
func (i *Istiod) awaitConnections(t testing.TB) {
	t.Helper()
	Await(t, "istiod of "+i.cluster.Name+" takes connections", func(ctx context.Context) error {
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", i.address)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// Proxy is a sidecar of the first namespace. It asks for endpoints of the services
// of all.
func (i *Istiod) Proxy(t testing.TB, namespaces ...string) *Proxy {
	t.Helper()
	metadata, err := structpb.NewStruct(map[string]any{
		"CLUSTER_ID": i.cluster.ID, "NETWORK": i.cluster.Network, "MESH_ID": i.cluster.MeshID, "NAMESPACE": namespaces[0],
		"ISTIO_VERSION": "1.31.0", "LABELS": map[string]any{"app": "client"}, "INSTANCE_IPS": clientIP,
	})
	if err != nil {
		t.Fatal(err)
	}
	node := &corev3.Node{
		Id:       fmt.Sprintf("sidecar~%s~client.%s~%[2]s.svc.cluster.local", clientIP, namespaces[0]),
		Metadata: metadata,
	}
	return connect(t, xdsclient.Dial(t, i.address, nil), node, func(cluster string) (Port, int, bool) {
		port, leads := istiodPortOf(cluster)
		return port, 0, leads && slices.Contains(namespaces, port.Namespace)
	})
}

// clientIP is of no pod.
const clientIP = "10.255.255.254"

// istiodPortOf reads the name of a cluster of istiod's.
func istiodPortOf(cluster string) (Port, bool) {
	parts := strings.Split(cluster, "|")
	if len(parts) != 4 || parts[0] != "outbound" || parts[2] != "" {
		return Port{}, false
	}
	return portOf(parts[1], parts[3], ".svc.cluster.local")
}
