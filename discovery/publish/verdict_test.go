package publish_test

import (
	"strings"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

func TestARefusalIsRecordedAndNotRepeated(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	s.Nack(s.Next(xdsclient.Clusters), "bad "+strings.Repeat("x", 10_000))
	s.Quiet()
	proxy := r.Proxies()[0]
	got := find(t, proxy, "Cluster")
	if got.Nacks != 1 || got.Nack == nil || !strings.HasPrefix(got.Nack.Message, "bad") || len(got.Nack.Message) > 4096 {
		t.Errorf("recorded %+v", got)
	}
	if got.Nack.Version != got.Sent || got.Acked != "" || got.Pending {
		t.Errorf("versions %+v, want the refused one as sent and none as acknowledged", got)
	}
	next := set("a")
	next.Clusters[0].AltStatName = "mended"
	if pushed := r.publish(t, east, next); pushed != 1 {
		t.Errorf("%d pushes of the mended cluster", pushed)
	}
	s.Take(xdsclient.Clusters)
	s.Quiet()
	if got := find(t, r.Proxies()[0], "Cluster"); got.Acked != got.Sent || got.Nacks != 1 {
		t.Errorf("after mending %+v", got)
	}
	if stats := r.Stats(); stats.Nacks != 1 {
		t.Errorf("%d refusals counted", stats.Nacks)
	}
}

func TestTheReasonOfARefusedSecretIsNotKept(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Secrets, publish.OwnSecret)
	s.Nack(s.Next(xdsclient.Secrets), "bad key: key east first")
	s.Subscribe(xdsclient.Secrets, "barrier")
	s.Take(xdsclient.Secrets)
	if got := find(t, r.Proxies()[0], "Secret"); got.Nack == nil || strings.Contains(got.Nack.Message, "key east") {
		t.Errorf("recorded %+v", got.Nack)
	}
}

// TestVerdictsOnOtherAnswersCountForNothing: X01.
func TestVerdictsOnOtherAnswersCountForNothing(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Clusters)
	first := s.Next(xdsclient.Clusters)
	r.publish(t, east, set("a", "b"))
	for _, nonce := range []string{"999", "nonsense", first.GetNonce() + "0"} {
		s.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xdsclient.Clusters, ResponseNonce: nonce})
	}
	s.Quiet()
	if got := find(t, r.Proxies()[0], "Cluster"); got.Acked != "" || !got.Pending {
		t.Errorf("a wrong nonce was taken: %+v", got)
	}
	s.Ack(first)
	want(t, s.Take(xdsclient.Clusters), []string{"b"})
	s.Ack(first)
	s.Quiet()
	if stats := r.Stats(); stats.StaleNonces != 4 {
		t.Errorf("%d stale verdicts counted, want 4", stats.StaleNonces)
	}
}

func find(t *testing.T, proxy publish.Proxy, kind string) publish.Subscription {
	t.Helper()
	for _, one := range proxy.Subscriptions {
		if one.Type == kind {
			return one
		}
	}
	t.Fatalf("no subscription of %s in %+v", kind, proxy)
	return publish.Subscription{}
}
