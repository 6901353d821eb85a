package discovery

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/eastwest-mesh/eastwest/discovery/authority"
	"github.com/eastwest-mesh/eastwest/discovery/bootstrap"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/publish"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
)

// identity is the SPIFFE ID of a workload of ours in the own cluster.
func (a *Agent) identity(role string) string {
	return fmt.Sprintf("spiffe://%s/ns/%s/sa/%s-%s", a.Settings.File.TrustDomain, a.Namespace, role, a.own)
}

// openAuthority prepares what a gateway of our own needs; beside Istio there is
// none.
func (a *Agent) openAuthority() error {
	if a.Settings.File.DataPlane != settings.DataPlaneEnvoy {
		return nil
	}
	var err error
	if a.authority, err = authority.Open(authority.Options{Dir: a.CAFolder, TrustDomain: a.Settings.File.TrustDomain}); err != nil {
		return err
	}
	if a.serving, err = a.authority.Rotating(a.identity("agent"), 0); err != nil {
		return err
	}
	if a.gateway, err = a.authority.Rotating(a.identity("gateway"), 0); err != nil {
		return err
	}
	a.publisher = publish.New(publish.Options{
		TLS: publish.TLS{
			Certificate: a.serving.Certificate, Roots: a.authority.Pool, TrustDomain: a.Settings.File.TrustDomain,
		},
		Member:  func(identity string) (model.MemberName, bool) { return a.own, identity == a.identity("gateway") },
		Secrets: credentials{a}, Log: a.Log,
	})
	return nil
}

// roots are the mesh's; none beside Istio, where nobody of ours needs them.
func (a *Agent) roots() []byte {
	if a.authority == nil {
		return nil
	}
	return a.authority.Roots()
}

// credentials are what gateways are given: each its own.
type credentials struct{ agent *Agent }

func (c credentials) Credential(identity string) (publish.Credential, error) {
	pair := c.agent.gateway.Pair()
	if identity != pair.Identity {
		return publish.Credential{}, fmt.Errorf("no certificate is kept for %s", identity)
	}
	credential := publish.Credential{Chain: pair.Chain, Key: pair.Key.PEM(), Roots: pair.Roots}
	if admitted := c.agent.loop.admitted.Load(); admitted != nil {
		credential.Admitted = *admitted
	}
	return credential, nil
}

// issue keeps all certificates fresh.
func (a *Agent) issue(ctx context.Context, group *errgroup.Group) {
	group.Go(func() error { return a.authority.Run(ctx) })
	group.Go(func() error { return a.serving.Run(ctx, func(authority.Pair) {}) })
	group.Go(func() error {
		return a.gateway.Run(ctx, func(pair authority.Pair) {
			if _, err := a.publisher.Renewed(pair.Identity); err != nil {
				a.Log.Error("publish a new certificate", "identity", pair.Identity, "error", err)
			}
			select {
			case a.loop.renewed <- struct{}{}:
			default:
			}
		})
	})
}

func (a *Agent) firstCertificate() (bootstrap.Certificate, error) {
	pair, err := a.authority.Issue(a.identity("gateway"), 0)
	if err != nil {
		return bootstrap.Certificate{}, err
	}
	return bootstrap.Certificate{Chain: pair.Chain, Key: pair.Key.PEM(), Roots: pair.Roots}, nil
}
