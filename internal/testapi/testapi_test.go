package testapi

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestTheServerAnswers(t *testing.T) {
	t.Parallel()
	kube := Client(t)
	namespace, err := kube.CoreV1().Namespaces().Get(t.Context(), "default", metav1.GetOptions{})
	if err != nil || namespace.UID == "" {
		t.Fatalf("got %v, %v", namespace, err)
	}
	version, err := kube.Discovery().ServerVersion()
	if err != nil || version.Major != "1" {
		t.Errorf("got %v, %v", version, err)
	}
}

// TestToolsAreTheNewestComplete looks into caches as lab build leaves them.
func TestToolsAreTheNewestComplete(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("EASTWEST_LAB_CACHE", cache)
	if _, err := tools(); !errors.Is(err, errNotBuilt) {
		t.Errorf("an empty cache: got %v", err)
	}
	now := time.Now()
	for key, entry := range map[string]struct {
		age   time.Duration
		files []string
	}{
		"old":     {2 * time.Hour, []string{"etcd", "kube-apiserver"}},
		"new":     {time.Hour, []string{"etcd", "kube-apiserver"}},
		"partial": {0, []string{"kube-apiserver"}},
		"other":   {0, []string{"etcd"}},
	} {
		dir := filepath.Join(cache, "kubernetes", key)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, file := range entry.files {
			if err := os.WriteFile(filepath.Join(dir, file), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(dir, now, now.Add(-entry.age)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := tools(); err != nil || filepath.Base(got) != "new" {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestAServerOfOnesOwn goes back in time and becomes another cluster.
func TestAServerOfOnesOwn(t *testing.T) {
	t.Parallel()
	server := Start(t)
	kube, err := kubernetes.NewForConfig(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	uid := func() types.UID {
		t.Helper()
		namespace, err := kube.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return namespace.UID
	}
	first, backup := uid(), server.Backup(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "later"}}
	if _, err := kube.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	server.Restore(t, backup)
	if _, err := kube.CoreV1().Namespaces().Get(t.Context(), "later", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("what was written after the backup is there: %v", err)
	}
	if again := uid(); again != first {
		t.Errorf("restored, it is %s and was %s", again, first)
	}
	server.Wipe(t)
	if again := uid(); again == first {
		t.Error("wiped, it is the same cluster")
	}
}
