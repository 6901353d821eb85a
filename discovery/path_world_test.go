package discovery

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// What follows runs real agents, from the records of members to what a gateway is told,
// against API servers and gateways in memory. All of it speaks over pipes within a
// bubble of testing/synctest: waits of seconds or minutes cost nothing there, and what
// happens in between happens in an order that does not depend on how busy the host is.

const (
	ownName  = model.MemberName("east")
	nearName = model.MemberName("west") // on the own network
	replicas = 2
	// quotaServices and quotaEndpoints are what a member may offer.
	quotaServices, quotaEndpoints = 3, 30
	// secretMark is in every token, from one end to the other, and must be nowhere else.
	secretMark = "unseen-"
)

// peerNames are the other members that there can be.
var peerNames = []model.MemberName{nearName, "north", "south"}

const leasePath = "/apis/coordination.k8s.io/v1/leases"

// world is a mesh as it is, whatever agents know of it.
type world struct {
	*testing.T
	ca       *testca.Signer
	own      *cluster
	clusters map[model.MemberName]*cluster
	replicas [replicas]*replica
	gateways [replicas]*gateway
	logs     *logs
	facts    *history

	// broken is true while the watch of records may not have been taken up again, recorded
	// while a change of records may not have been told.
	broken, recorded bool

	// mu guards what follows.
	mu         sync.Mutex
	violations []string
	// counter makes addresses, tokens and UIDs that never come again.
	counter int
	origin  map[string]origin
}

// cluster is one Kubernetes cluster.
type cluster struct {
	name    model.MemberName
	api     *fakeapi.Server
	network string
	// token is the one that its API server takes; record is what was recorded of it in
	// the own cluster, nil where it has not joined.
	token  string
	record *corev1.Secret
	// down is true while its API server cannot be reached.
	down bool
	facts
}

// logs keeps what is logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newWorld is a mesh of the own cluster alone, with its agents and their gateways. It
// must be called in a bubble.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, ca: testca.Root(t).Intermediate(t), clusters: map[model.MemberName]*cluster{}, logs: &logs{}, origin: map[string]origin{}}
	w.own = w.newCluster(ownName, "net-a")
	for i, name := range peerNames {
		w.newCluster(name, [...]string{"net-a", "net-b", "net-c"}[i])
	}
	for _, path := range []string{fakeapi.SecretPath, "/api/v1/endpoints", "/api/v1/events", leasePath, "/apis/eastwest.dev/v1alpha1/memberclusters"} {
		w.own.api.Objects[path] = map[string]metav1.Object{}
	}
	w.own.api.Put(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	w.own.api.Writes = w.judgeWrite
	w.facts = newHistory(w)
	for i := range w.replicas {
		w.replicas[i] = w.newReplica(i)
		w.replicas[i].start()
		w.gateways[i] = newGateway(w, w.replicas[i])
	}
	t.Cleanup(func() {
		for i := range w.replicas {
			w.gateways[i].close()
			w.replicas[i].stop()
		}
		for _, one := range w.clusters {
			one.api.Cut()
		}
	})
	return w
}

func (w *world) newCluster(name model.MemberName, network string) *cluster {
	c := &cluster{name: name, api: fakeapi.New(w), network: network, facts: newFacts()}
	c.api.UID = w.unique("uid")
	c.token = w.newToken()
	c.api.Tokens = map[string]bool{c.token: true}
	c.api.Objects[fakeapi.GKEPath] = map[string]metav1.Object{}
	if name != ownName {
		c.api.Writes = func(r *http.Request) { w.violate("I6: %s %s at member %s", r.Method, r.URL.Path, name) }
	}
	w.clusters[name] = c
	return c
}

// next counts.
func (w *world) next() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counter++
	return w.counter
}

func (w *world) unique(what string) string { return fmt.Sprintf("%s-%d", what, w.next()) }

func (w *world) newToken() string { return w.unique(strings.Repeat(secretMark, 4)) }

// violate notes that an invariant does not hold.
func (w *world) violate(format string, values ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.violations) < 20 {
		w.violations = append(w.violations, fmt.Sprintf(format, values...))
	}
}

// join records a member, or records it anew.
func (w *world) join(c *cluster, uid, token string) {
	text, err := kubeconfig.Remote{ClusterID: string(c.name), Server: "https://192.0.2.1:6443", CA: w.ca.CertPEM(), Token: token}.Encode()
	if err != nil {
		w.Fatal(err)
	}
	record := fmt.Sprintf("apiVersion: eastwest.dev/v1alpha1\nkind: MemberRecord\nname: %s\nnetwork: %s\nuid: %s\nidentity: %s\nadvertised: ['%s']\n",
		c.name, c.network, uid, gatewayIdentity(c.name), c.advertised())
	c.record = &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: v1alpha1.AgentNamespace, Name: v1alpha1.MemberSecret(string(c.name)), Labels: map[string]string{v1alpha1.LabelMember: "true"},
			UID: types.UID(w.unique("secret")),
		},
		Data: map[string][]byte{
			string(c.name) + v1alpha1.KubeconfigSuffix: text, string(c.name) + v1alpha1.RecordSuffix: []byte(record),
		},
	}
	w.own.api.Put(c.record.DeepCopy())
	w.recorded = true
}

func gatewayIdentity(name model.MemberName) string {
	return "spiffe://" + testca.TrustDomain + "/ns/" + v1alpha1.AgentNamespace + "/sa/gateway-" + string(name)
}

// advertised is the address of the cluster's gateway.
func (c *cluster) advertised() string {
	return fmt.Sprintf("198.51.100.%d:15443", len(c.name)+int(c.name[0]))
}

// after lets time go by, and everything be done that is due.
func after(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}
