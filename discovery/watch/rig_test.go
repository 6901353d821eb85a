package watch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func TestMain(m *testing.M) { os.Exit(testapi.MainWithoutLeaks(m)) }

// recorder is a sink that keeps everything.
type recorder struct {
	mu      sync.Mutex
	shards  []*model.Shard
	changed [][]model.ServiceKey
	left    int
	told    chan struct{}
}

func newRecorder() *recorder { return &recorder{told: make(chan struct{}, 1)} }

func (r *recorder) Offer(shard *model.Shard, changed []model.ServiceKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shards, r.changed = append(r.shards, shard), append(r.changed, changed)
	select {
	case r.told <- struct{}{}:
	default:
	}
}

func (r *recorder) Leave(model.MemberName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left++
}

func (r *recorder) last() *model.Shard {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.shards) == 0 {
		return nil
	}
	return r.shards[len(r.shards)-1]
}

func (r *recorder) first() *model.Shard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shards[0]
}

func (r *recorder) lastChanged() []model.ServiceKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed[len(r.changed)-1]
}

// changes counts changed services over all offers.
func (r *recorder) changes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := 0
	for _, one := range r.changed {
		count += len(one)
	}
	return count
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.shards)
}

// rig is a Cluster that watches a fake API.
type rig struct {
	*fakeapi.Server
	*recorder
	cluster *Cluster
	cancel  context.CancelFunc
	done    chan struct{}
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func record() v1alpha1.MemberRecord {
	return v1alpha1.MemberRecord{Name: "east", Network: "net-east", UID: "uid-1"}
}

// newRig starts a Cluster; prepare may change its options and what the API has.
func newRig(t *testing.T, prepare func(api *fakeapi.Server, options *Options)) *rig {
	t.Helper()
	r := &rig{Server: fakeapi.New(t), recorder: newRecorder(), done: make(chan struct{})}
	options := Options{Record: record(), Config: r.Config()}
	if prepare != nil {
		prepare(r.Server, &options)
	}
	var err error
	if r.cluster, err = New(options); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		r.cluster.Run(ctx, r)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	synctest.Wait()
	return r
}

// shop is the service that most tests use, exported and with some endpoints.
func shop(api *fakeapi.Server, endpoints int) {
	api.Put(kubeService("shop", "cart"), kubeExport("shop", "cart"), kubeSlice("shop", "cart-1", "cart", endpoints))
}

var cart = model.ServiceKey{Namespace: "shop", Name: "cart"}

// summary is what a shard offers: its state, and of every service the number of
// endpoints.
func (r *rig) summary() string {
	shard := r.last()
	if shard == nil {
		return "nothing"
	}
	parts := []string{shard.Member.State.String()}
	byKey := func(a, b *model.Offer) int { return a.Key.Compare(b.Key) }
	for _, one := range slices.SortedFunc(shard.Services.All(), byKey) {
		parts = append(parts, fmt.Sprintf("%v=%d", one.Key, sizeOf(one.Slices)))
	}
	return strings.Join(parts, " ")
}

// want waits until everything has settled and compares the summary.
func (r *rig) want(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := r.summary(); got != want {
		t.Fatalf("got %q, want %q; status %+v", got, want, r.cluster.Status())
	}
}

// after lets time go by.
func after(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

// live sends bookmarks, as a real server does, while time goes by.
func (r *rig) live(d time.Duration) {
	for ; d > 0; d -= time.Minute {
		after(min(d, time.Minute))
		r.Bookmark()
	}
	synctest.Wait()
}

// answer makes every request to a path end with a status.
func answer(f *fakeapi.Server, path string, status int, header ...string) {
	f.Do(func() {
		f.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if path != "" && r.URL.Path != path {
				return false
			}
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			return true
		}
	})
}

func answerAsUsual(f *fakeapi.Server) { f.Do(func() { f.Intercept = nil }) }

func kubeService(namespace, name string, ports ...corev1.ServicePort) *corev1.Service {
	if ports == nil {
		ports = []corev1.ServicePort{{Name: "http", Port: 80}}
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.Unix(1000, 0)},
		Spec:       corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: ports},
	}
}

func kubeExport(namespace, name string) *serviceExport {
	return &serviceExport{TypeMeta: metav1.TypeMeta{Kind: "ServiceExport"}, ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, CreationTimestamp: metav1.Unix(2000, 0),
	}}
}

// gkeExport is an export in the dialect of GKE.
func gkeExport(namespace, name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, CreationTimestamp: metav1.Unix(1500, 0),
	}}
}

// kubeSlice has endpoints from 10.1.0.1 on, in zone a.
func kubeSlice(namespace, name, service string, count int) *discoveryv1.EndpointSlice {
	http, number, zone := "http", int32(8080), "zone-a"
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &http, Port: &number}},
	}
	for i := range count {
		address := fmt.Sprintf("10.1.%d.%d", (i+1)/256, (i+1)%256)
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Zone: &zone})
	}
	return slice
}
