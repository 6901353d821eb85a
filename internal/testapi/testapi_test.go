package testapi

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
