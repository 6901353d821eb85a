// Package testapi gives tests a real kube-apiserver with its etcd, on loopback
// and in a temporary folder, made of the executables that `lab build` leaves in
// its cache. It builds nothing and downloads nothing. There is no controller
// behind the API: Deployments make no pods, and a deleted namespace stays until
// Finish is called. It is for tests only.
package testapi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// startLimit bounds how long the two processes may take; about five seconds on
// an idle machine.
const startLimit = 90 * time.Second

// finishLimit bounds how long Finish waits for the deletion of a namespace.
const finishLimit = 30 * time.Second

// shared is the server of this test binary, started by the first test that
// needs one.
var shared struct {
	once   sync.Once
	server *server
	err    error
}

// errNotBuilt means that there are no executables to start.
var errNotBuilt = errors.New("kube-apiserver and etcd are not built; make them once with: make build && bin/lab build")

// Main runs a package's tests and then stops the server they shared. It returns
// the exit code, for use in TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.server != nil {
		shared.server.stop()
	}
	return code
}

// MainWithoutLeaks is Main, and fails where goroutines are left when the tests are over.
func MainWithoutLeaks(m *testing.M) int {
	code := Main(m)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Config returns the connection to the server of this test binary, with all
// rights. Where the executables are missing the test is skipped, and fails in CI.
// The package's TestMain must call Main.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		shared.server, shared.err = start(ctx)
	})
	ifStarted(t, shared.err)
	return unlimited(shared.server.config)
}

// ifStarted ends a test that has no server.
func ifStarted(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNotBuilt) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func unlimited(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, 0
	return config
}

// Kubeconfig is that connection as a file, for processes that tests start.
func Kubeconfig(t testing.TB) []byte {
	t.Helper()
	config := Config(t)
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: testapi, cluster: {server: "%s", certificate-authority-data: %s}}]
users: [{name: testapi, user: {token: %s}}]
contexts: [{name: testapi, context: {cluster: testapi, user: testapi}}]
current-context: testapi
`, config.Host, base64.StdEncoding.EncodeToString(config.CAData), config.BearerToken)
}

// Client is a typed client with all rights.
func Client(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(Config(t))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Finish waits until a namespace is deleted, and does what a namespace controller
// would do at last: it lets it go. What is left in it is the caller's to look at.
func Finish(ctx context.Context, t testing.TB, kube kubernetes.Interface, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, finishLimit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	namespace := &corev1.Namespace{}
	for namespace.DeletionTimestamp == nil {
		var err error
		if namespace, err = kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("namespace %s was not deleted: %v", name, ctx.Err())
		case <-ticker.C:
		}
	}
	namespace.Spec.Finalizers = nil
	if _, err := kube.CoreV1().Namespaces().Finalize(ctx, namespace, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// tools is the newest folder of the lab's cache with both executables.
func tools() (string, error) {
	root := os.Getenv("EASTWEST_LAB_CACHE")
	if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", errNotBuilt
		}
		root = filepath.Join(cache, "eastwest-lab")
	}
	found, newest := "", time.Time{}
	servers, err := filepath.Glob(filepath.Join(root, "kubernetes", "*", "kube-apiserver"))
	if err != nil {
		return "", err
	}
	for _, path := range servers {
		dir := filepath.Dir(path)
		info, err := os.Stat(dir)
		_, etcdErr := os.Stat(filepath.Join(dir, "etcd"))
		if err == nil && etcdErr == nil && info.ModTime().After(newest) {
			found, newest = dir, info.ModTime()
		}
	}
	if found == "" {
		return "", errNotBuilt
	}
	return found, nil
}
