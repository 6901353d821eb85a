package member

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

func write(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// runFolder starts a source in a bubble.
func runFolder(t *testing.T, dir string) *log {
	t.Helper()
	l := newLog()
	source := NewFolder(dir, options(l))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- source.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-source.Synced()
	synctest.Wait()
	return l
}

// ticks lets the folder be read so many times.
func ticks(count int) {
	time.Sleep(time.Duration(count) * pollEvery) // of the bubble's clock
	synctest.Wait()
}

func (l *log) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, l.take()); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func TestAPlainFolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, files(t, "east"))
		write(t, dir, map[string][]byte{"README": []byte("not ours")})
		l := runFolder(t, dir)
		l.expect(t, "join east")
		ticks(5)
		l.expect(t)
		// One file, then the other: nobody sees the half.
		west := files(t, "west")
		write(t, dir, map[string][]byte{"west.kubeconfig": west["west.kubeconfig"]})
		ticks(1)
		write(t, dir, west)
		ticks(2)
		l.expect(t, "join west")
		if err := os.Remove(filepath.Join(dir, "east.kubeconfig")); err != nil {
			t.Fatal(err)
		}
		ticks(2)
		l.expect(t, "problems east:"+ReasonIncomplete)
		if err := os.Remove(filepath.Join(dir, "east.member.yaml")); err != nil {
			t.Fatal(err)
		}
		ticks(2)
		l.expect(t, "leave east", "problems")
		if err := os.Rename(dir, dir+"-away"); err != nil {
			t.Fatal(err)
		}
		ticks(5)
		l.expect(t)
	})
}

// TestAMountedSecret swaps the link behind which Kubernetes keeps the files.
func TestAMountedSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		version := func(name string, files map[string][]byte) {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, name), files)
			next := filepath.Join(dir, "..data_tmp")
			if err := os.Symlink(name, next); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, filepath.Join(dir, mountedData)); err != nil {
				t.Fatal(err)
			}
		}
		version("..1", files(t, "east"))
		for name := range files(t, "east") {
			if err := os.Symlink(filepath.Join(mountedData, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		l := runFolder(t, dir)
		l.expect(t, "join east")
		next := files(t, "east", "west")
		next["east.kubeconfig"] = kubeconfigOf(t, "east", "rotated")
		version("..2", next)
		ticks(2)
		l.expect(t, "replace east", "join west")
	})
}

func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, files(t, "east"))
		write(t, dir, map[string][]byte{"fifo.member.yaml": recordOf("fifo"), "dir.member.yaml": recordOf("dir"), "big.member.yaml": recordOf("big")})
		if err := syscall.Mkfifo(filepath.Join(dir, "fifo.kubeconfig"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "dir.kubeconfig"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, map[string][]byte{"big.kubeconfig": make([]byte, maxFile+1)})
		l := runFolder(t, dir)
		l.expect(t, "join east", "problems big:MemberFileUnreadable dir:MemberFileUnreadable fifo:MemberFileUnreadable")
	})
}

func TestAFolderThatIsMissing(t *testing.T) {
	t.Parallel()
	source := NewFolder(filepath.Join(t.TempDir(), "none"), options(newLog()))
	if err := source.Run(t.Context()); problem.ExitCode(err) != problem.ExitInput {
		t.Errorf("got %v", err)
	}
	if err := source.Check(); problem.ExitCode(err) != problem.ExitInput {
		t.Errorf("got %v", err)
	}
}

// TestCheckListsContradictions is what a refusal to start is made of (A01). What is wrong
// with one record alone is none, and is not told.
func TestCheckListsContradictions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, files(t, "east"))
	write(t, dir, map[string][]byte{
		"a.kubeconfig": []byte("{"), "a.member.yaml": recordOf("a", "gatewayCIDRs: [192.0.2.0/24]"),
		"b.member.yaml": recordOf("b", "gatewayCIDRs: [192.0.2.7/32]"), "c.member.yaml": []byte("{"),
	})
	l := newLog()
	source := NewFolder(dir, options(l))
	all := problem.All(source.Check())
	if len(all) != 1 || all[0].Code != ReasonOverlap || all[0].Cluster != "b" {
		t.Errorf("got %v", all)
	}
	write(t, dir, map[string][]byte{"b.member.yaml": recordOf("b")})
	if err := source.Check(); err != nil {
		t.Errorf("got %v", err)
	}
	l.expect(t)
}

var namespaces atomic.Int32

// TestSecrets runs against a real API server; K15 is in it.
func TestSecrets(t *testing.T) {
	t.Parallel()
	kube, ctx := testapi.Client(t), t.Context()
	namespace, elsewhere := fmt.Sprintf("members-%d", namespaces.Add(1)), fmt.Sprintf("members-%d", namespaces.Add(1))
	for _, name := range []string{namespace, elsewhere} {
		if _, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	secret := func(namespace, name, label string, data map[string][]byte) *corev1.Secret {
		one := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
		if label != "" {
			one.Labels = map[string]string{v1alpha1.LabelMember: label}
		}
		return one
	}
	create := func(one *corev1.Secret) {
		if _, err := kube.CoreV1().Secrets(one.Namespace).Create(ctx, one, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	create(secret(namespace, "member-east", "true", files(t, "east")))
	create(secret(namespace, "unlabelled", "", files(t, "one")))
	create(secret(namespace, "labelled-otherwise", "false", files(t, "two")))
	create(secret(elsewhere, "member-three", "true", files(t, "three")))

	l := newLog()
	source := NewSecrets(kube, namespace, options(l))
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- source.Run(run) }()
	l.has(t, "join east")
	<-source.Synced()
	pair := files(t, "west", "north")
	create(secret(namespace, "member-pair", "true", pair))
	l.has(t, "join west")
	pair["west.kubeconfig"] = []byte("{")
	pair["north.kubeconfig"] = kubeconfigOf(t, "north", "rotated")
	if _, err := kube.CoreV1().Secrets(namespace).Update(ctx, secret(namespace, "member-pair", "true", pair), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	l.has(t, "replace north")
	l.has(t, "problems west:"+kubeconfig.CodeInvalid)
	// Without its label a Secret is as good as deleted.
	if _, err := kube.CoreV1().Secrets(namespace).Update(ctx, secret(namespace, "member-east", "", files(t, "east")), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	l.has(t, "leave east")
	if err := kube.CoreV1().Secrets(namespace).Delete(ctx, "member-pair", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	l.has(t, "leave west")
	l.has(t, "problems")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, line := range l.take() {
		if slices.Contains([]string{"join one", "join two", "join three"}, line) {
			t.Errorf("a Secret was read that is none of ours: %s", line)
		}
	}
}
