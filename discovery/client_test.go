package discovery

import (
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestWritesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	config := &rest.Config{Host: "https://127.0.0.1:1"}
	kube, err := kubernetes.NewForConfig(unlimited(config))
	if err != nil {
		t.Fatal(err)
	}
	limiter := kube.DiscoveryV1().RESTClient().GetRateLimiter()
	for i := range 1000 {
		if limiter != nil && !limiter.TryAccept() {
			t.Fatalf("request %d of a burst has to wait", i+1)
		}
	}
	if config.QPS != 0 {
		t.Error("the caller's configuration was changed")
	}
}
