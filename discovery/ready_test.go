package discovery

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/authority"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/testca"
)

// TestAReplicaWithoutACertificateIsNotReady is F38: the certificate for gateways ends
// together with the CA that issues it, and another CA brings another certificate, with
// no restart. Its neighbour is in between: files that are no CA change nothing.
func TestAReplicaWithoutACertificateIsNotReady(t *testing.T) {
	t.Parallel()
	folder, root := t.TempDir(), testca.Root(t)
	testca.Write(t, folder, root.Intermediate(t).Files(t))
	ca, err := authority.Open(authority.Options{Dir: folder, TrustDomain: testca.TrustDomain, Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	serving, err := ca.Rotating("spiffe://"+testca.TrustDomain+"/ns/eastwest-system/sa/agent-east", 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{loop: &loop{}, serving: serving}
	if err := a.ready(); err == nil || !strings.Contains(err.Error(), "listed") {
		t.Errorf("before there is a view: %v", err)
	}
	a.loop.announce(&State{View: &model.View{}})
	if err := a.ready(); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	poll(t, "its certificate ended", func() bool {
		err := a.ready()
		return err != nil && strings.Contains(err.Error(), "expired")
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 2)
	go func() { _ = ca.Run(ctx); done <- struct{}{} }()
	go func() { _ = serving.Run(ctx, func(authority.Pair) {}); done <- struct{}{} }()
	defer func() { cancel(); <-done; <-done }()
	testca.Write(t, folder, map[string][]byte{"ca-cert.pem": []byte("garbage")})
	poll(t, "files that are no CA are seen", func() bool { return ca.Problem() != nil })
	if a.ready() == nil {
		t.Error("it is ready by garbage")
	}
	testca.Write(t, folder, root.Intermediate(t).Files(t))
	poll(t, "another CA issues another certificate", func() bool { return a.ready() == nil })
}

// poll waits until something is so.
func poll(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick, end := time.NewTicker(10*time.Millisecond), time.Now().Add(time.Minute)
	defer tick.Stop()
	for !so() {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
		<-tick.C
	}
}
