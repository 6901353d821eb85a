package sides

import (
	"context"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Kube connects to a cluster as its administrator, without a limit of requests.
func Kube(t testing.TB, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Await asks until there is no error, and fails with the last one after two minutes, for
// a busy host takes its time. It may be called while the test is cleaned up.
func Await(t testing.TB, what string, ask func(ctx context.Context) error) {
	t.Helper()
	await(t, 50*time.Millisecond, what, ask)
}

// AwaitStart is Await for a server that begins to serve, which is asked so often that a
// start can be measured.
func AwaitStart(t testing.TB, what string, ask func(ctx context.Context) error) {
	t.Helper()
	await(t, 2*time.Millisecond, what, ask)
}

func await(t testing.TB, every time.Duration, what string, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("wait until %s: %v", what, err)
		case <-tick.C:
		}
	}
}
