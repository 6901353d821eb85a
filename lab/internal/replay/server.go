package replay

import (
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// token is what clients log in with; the servers listen on loopback only.
const token = "replay"

// Server is the API server of one cluster.
type Server struct {
	// Name is the cluster's.
	Name string

	http     *httptest.Server
	resource map[schema.GroupResource]*resource
	ca       []byte

	// mu makes a version and what has it one step. It guards version.
	mu      sync.RWMutex
	version int64
}

// Start serves a cluster until the test ends. It has a namespace kube-system, by whose
// UID clusters are told apart.
func Start(t testing.TB, name string) *Server {
	t.Helper()
	s := &Server{Name: name, resource: known(), version: first}
	root := testca.Root(t)
	s.ca = root.CertPEM()
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that leave are none of ours
	s.http.EnableHTTP2 = true
	leaf := root.Leaf(t, "spiffe://"+testca.TrustDomain+"/replay", onLoopback)
	s.http.TLS = serverTLS(leaf)
	s.http.StartTLS()
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	s.Load(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: metav1.NamespaceSystem, UID: types.UID("uid-of-" + name), Labels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceSystem},
	}})
	return s
}

// Load adds objects of one kind that nobody has asked for yet, many at once.
func (s *Server) Load(all ...Object) {
	if len(all) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.resourceOf(all[0]).load(s.version, all)
}

// Put makes an object, or changes it, and returns its version. It must not be changed
// afterwards.
func (s *Server) Put(one Object) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.resourceOf(one).put(s.version, one)
	return one.GetResourceVersion()
}

// Remove deletes an object.
func (s *Server) Remove(one Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.resourceOf(one).remove(s.version, keyOf(one))
}

// read is what is selected of a resource, and the version it was read at.
func (s *Server) read(of *resource, which *selection, from, limit int) (page []*record, next int, version int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	page, next = of.page(which, from, limit)
	return page, next, s.version
}

// now is the version of the last change.
func (s *Server) now() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.version
}

func (s *Server) resourceOf(one Object) *resource {
	for _, resource := range s.resource {
		if resource.holds(one) {
			return resource
		}
	}
	panic(fmt.Sprintf("no resource for %T", one))
}

// Kubeconfig writes one for this server into a folder and returns its path.
func (s *Server) Kubeconfig(t testing.TB, dir string) string {
	t.Helper()
	return s.KubeconfigAt(t, dir, s.Name, s.http.URL)
}

// KubeconfigAt writes a kubeconfig as for this server that leads to somewhere else.
func (s *Server) KubeconfigAt(t testing.TB, dir, name, url string) string {
	t.Helper()
	path := filepath.Join(dir, name+".kubeconfig")
	if err := os.WriteFile(path, s.kubeconfig(name, url), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// KubeconfigText leads to this server.
func (s *Server) KubeconfigText() []byte { return s.kubeconfig(s.Name, s.http.URL) }

func (s *Server) kubeconfig(name, url string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: %[1]s, cluster: {server: "%[2]s", certificate-authority-data: %[3]s}}]
users: [{name: %[1]s, user: {token: %[4]s}}]
contexts: [{name: %[1]s, context: {cluster: %[1]s, user: %[1]s}}]
current-context: %[1]s
`, name, url, base64.StdEncoding.EncodeToString(s.ca), token)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		refuse(w, r, http.StatusUnauthorized, metav1.StatusReasonUnauthorized)
		return
	}
	if r.Method != http.MethodGet {
		refuse(w, r, http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed)
		return
	}
	path := strings.Trim(r.URL.Path, "/")
	if s.describe(w, path) {
		return
	}
	where, found := s.find(path)
	switch {
	case !found && !s.serves(path):
		http.NotFound(w, r) // as the server does it that has no such group
	case !found:
		refuse(w, r, http.StatusNotFound, metav1.StatusReasonNotFound)
	case where.name != "":
		s.get(w, r, where)
	default:
		s.collection(w, r, where)
	}
}

// serves reports whether a path is within a group that is served.
func (s *Server) serves(path string) bool {
	for _, one := range s.resource {
		if strings.HasPrefix(path, "api/"+one.kind.Version+"/") || strings.HasPrefix(path, "apis/"+one.kind.GroupVersion().String()+"/") {
			return true
		}
	}
	return false
}

// place is what a path leads to.
type place struct {
	*resource
	namespace, name string
}

// find reads a path: api/v1/... or apis/GROUP/VERSION/..., then
// [namespaces/NAMESPACE/]RESOURCE[/NAME].
func (s *Server) find(path string) (place, bool) {
	parts := strings.Split(path, "/")
	var group, version string
	switch {
	case len(parts) > 2 && parts[0] == "api":
		version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, version, parts = parts[1], parts[2], parts[3:]
	default:
		return place{}, false
	}
	var out place
	if len(parts) > 2 && parts[0] == "namespaces" {
		out.namespace, parts = parts[1], parts[2:]
	}
	out.resource = s.resource[schema.GroupResource{Group: group, Resource: parts[0]}]
	if len(parts) > 1 {
		out.name = parts[1]
	}
	return out, out.resource != nil && out.kind.Version == version && len(parts) <= 2
}
