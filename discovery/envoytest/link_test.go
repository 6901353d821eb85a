//go:build envoy

package envoytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	links "github.com/eastwest-mesh/eastwest/discovery/probe"
)

// TestAGatewayAnswersProbes: the agent of c1 asks the gateway of c2 by a certificate
// of its own gateways, twice on one connection, and not by any other.
func TestAGatewayAnswersProbes(t *testing.T) {
	t.Parallel()
	m := newMesh(t, c1, c2)
	m.publish()
	m.gateway(c2)
	ask := func(as string) *links.Prober {
		own := m.root.Leaf(t, as).TLS()
		p := links.New(links.Options{
			Targets: func() []links.Target {
				return []links.Target{{Member: c2, Addresses: m.members[c2].Gateways, Identity: gatewayID(c2)}}
			},
			Certificate: func() (*tls.Certificate, error) { return own, nil },
			Roots:       func() *x509.CertPool { return m.root.Pool() }, Interval: 50 * time.Millisecond,
		})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		return p
	}
	for as, want := range map[string]links.Result{
		gatewayID(c1): {OK: true, Hop: links.HopAdmission}, id("default"): {Hop: links.HopAdmission},
	} {
		p := ask(as)
		await(t, "an answer to "+as, patience, func() error {
			got, known := p.Result(model.MemberName(c2))
			if !known || got.OK != want.OK || got.Hop != want.Hop || got.OK != (got.RTT > 0) {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
	}
}
