package publish_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/internal/xdsclient"
)

// TestSecretsGoToTheirOwnerOnly tries every way to ask for another's.
func TestSecretsGoToTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	a, b := r.connect(t, east), r.connect(t, west)
	for _, s := range []*xdsclient.Stream{a, b} {
		s.Subscribe(xdsclient.Secrets, publish.OwnSecret, publish.RootsSecret, "own@west", identity(west), identity(east))
	}
	for s, owner := range map[*xdsclient.Stream]string{a: "east", b: "west"} {
		response := s.Take(xdsclient.Secrets)
		want(t, response, []string{publish.OwnSecret, publish.RootsSecret}, "own@west", identity(east), identity(west))
		own := &tlsv3.Secret{}
		xdsclient.Decode(t, response, publish.OwnSecret, own)
		if got := string(own.GetTlsCertificate().GetPrivateKey().GetInlineBytes()); got != "key "+owner+" first" {
			t.Errorf("%s got %q", owner, got)
		}
		roots := &tlsv3.Secret{}
		xdsclient.Decode(t, response, publish.RootsSecret, roots)
		if got := string(roots.GetValidationContext().GetTrustedCa().GetInlineBytes()); got != "roots "+owner+" first" {
			t.Errorf("%s got %q", owner, got)
		}
	}
	wild := r.connect(t, west)
	wild.Subscribe(xdsclient.Secrets, "*")
	for _, one := range wild.Take(xdsclient.Secrets).GetResources() {
		if strings.Contains(string(one.GetResource().GetValue()), "east") {
			t.Errorf("a wildcard of west got %s of east", one.GetName())
		}
	}
}

func TestRenewedSecretsAreSentToTheirOwner(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	r.publish(t, west, set("a"))
	a, b := r.connect(t, east), r.connect(t, west)
	for _, s := range []*xdsclient.Stream{a, b} {
		s.QuietBy(xdsclient.Routes)
		s.Subscribe(xdsclient.Secrets, publish.OwnSecret)
		s.Take(xdsclient.Secrets)
		s.QuietBy(xdsclient.Clusters)
	}
	if pushed, err := r.Renewed(identity(east)); pushed != 0 || err != nil {
		t.Errorf("%d pushes, %v: nothing was renewed", pushed, err)
	}
	r.renew(east, "second")
	if pushed, err := r.Renewed(identity(east)); pushed != 1 || err != nil {
		t.Errorf("%d pushes, %v: want one", pushed, err)
	}
	own := &tlsv3.Secret{}
	xdsclient.Decode(t, a.Take(xdsclient.Secrets), publish.OwnSecret, own)
	if got := string(own.GetTlsCertificate().GetCertificateChain().GetInlineBytes()); got != "chain east second" {
		t.Errorf("got %q", got)
	}
	a.QuietBy(xdsclient.Endpoints)
	b.QuietBy(xdsclient.Endpoints)
}

func TestAStreamWithoutSecretsGetsTheRest(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.mu.Lock()
	r.credentials = map[string]publish.Credential{}
	r.mu.Unlock()
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Secrets, publish.OwnSecret)
	s.Subscribe(xdsclient.Clusters)
	s.Take(xdsclient.Clusters)
	s.QuietBy(xdsclient.Routes)
	if _, err := r.Renewed(identity(east)); err == nil {
		t.Error("no error without a credential")
	}
	r.renew(east, "late")
	if pushed, err := r.Renewed(identity(east)); pushed != 1 || err != nil {
		t.Errorf("%d pushes, %v", pushed, err)
	}
	want(t, s.Take(xdsclient.Secrets), []string{publish.OwnSecret})
}

func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.publish(t, east, set("a"))
	s := r.connect(t, east)
	s.Subscribe(xdsclient.Secrets, publish.OwnSecret)
	s.Take(xdsclient.Secrets)
	s.Quiet()
	dump, found := r.DumpProxy("gateway-0")
	if !found {
		t.Fatal("the gateway is not found")
	}
	credential, err := r.Credential(identity(east))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, value := range []any{dump, r.Proxies(), r.Stats()} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	texts = append(texts, fmt.Sprintf("%v %+v %#v", credential, credential, credential))
	for _, text := range texts {
		if strings.Contains(text, "key east") || strings.Contains(text, "a2V5IGVhc3") {
			t.Errorf("shows a key: %s", text)
		}
	}
	if !strings.Contains(texts[0], `"name":"own"`) {
		t.Errorf("the dump does not name the secret: %s", texts[0])
	}
}
