package discovery

import (
	"context"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/eastwest-mesh/eastwest/discovery/admin"
	"github.com/eastwest-mesh/eastwest/discovery/bootstrap"
	"github.com/eastwest-mesh/eastwest/discovery/derived"
	"github.com/eastwest-mesh/eastwest/discovery/facade"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/renew"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
	"github.com/eastwest-mesh/eastwest/discovery/status"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// Run runs the agent until ctx ends. What it wrote and published stays.
func (a *Agent) Run(ctx context.Context) error {
	own, err := a.watchOwn(a.members.own)
	if err != nil {
		return err
	}
	listener, err := a.listen(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	a.work(ctx, group, own)
	group.Go(func() error { return a.prober.Run(ctx) })
	if a.meshID != nil {
		group.Go(func() error { return a.meshID.Run(ctx) })
		group.Go(func() error { return a.answerProbes(ctx) })
	}
	group.Go(func() error { return a.names.Run(ctx) })
	if a.answers != nil {
		group.Go(func() error { return a.answers.run(ctx) })
	}
	group.Go(func() error {
		return admin.Serve(ctx, a.Settings.File.Listen.Health, admin.Health(a.ready, a.metrics.Handler()))
	})
	group.Go(func() error { return admin.Serve(ctx, a.Settings.File.Listen.Admin, admin.Inspect(a.sources())) })
	if file := a.Settings.File.Facade; file.Folder != "" {
		files := facade.Files{Folder: file.Folder}
		front := facade.New(facade.Options{Member: a.members.config, Token: files.Token, Log: a.Log})
		group.Go(func() error { return front.Serve(ctx, file.Listen, files) })
	}
	if a.publisher != nil {
		group.Go(func() error { return a.publisher.Serve(ctx, listener) })
	}
	return group.Wait()
}

// work begins everything from watching members to writing what clients need. It has
// connections to API servers only: nobody can dial what begins here, and it dials no
// gateway.
func (a *Agent) work(ctx context.Context, group *errgroup.Group, own *watch.Cluster) {
	writes := &derived.Writer{
		Cluster: a.cluster, View: a.view, Blind: a.blind, Own: a.own, Sidecars: a.publisher == nil, Prefer: a.Settings.Prefer, Families: a.families, Log: a.Log,
		Wakes: []<-chan struct{}{a.loop.subscribe()},
	}
	shows := &status.Writer{
		Client: a.dynamic, Members: a.statuses, Wake: a.loop.subscribe(), Log: a.Log,
		Events: &status.Events{Client: a.dynamic, Namespace: a.Namespace},
	}
	group.Go(func() error { return a.cluster.Run(ctx) })
	group.Go(func() error { return a.members.run(ctx, own) })
	group.Go(func() error { return a.loop.run(ctx) })
	if a.keeper != nil {
		group.Go(func() error {
			a.keeper.Run(ctx)
			return nil
		})
	}
	if a.publisher != nil {
		a.issue(ctx, group)
	}
	group.Go(func() error {
		a.lead(ctx, a.elector, func(term context.Context) { a.write(term, writes, shows) })
		return nil
	})
}

// view is what derived Services are made from.
func (a *Agent) view() (*model.View, bool) {
	state := a.loop.State()
	if state == nil {
		return nil, false
	}
	return state.View, state.Complete
}

// blind is true while there are members of which nothing is known.
func (a *Agent) blind() bool {
	state := a.loop.State()
	return state == nil || state.Blind
}

// listen opens the port for gateways.
func (a *Agent) listen(ctx context.Context) (net.Listener, error) {
	if a.publisher == nil {
		return nil, nil //nolint:nilnil // nobody is served
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", a.Settings.File.Listen.XDS)
	if err != nil {
		return nil, fmt.Errorf("listen for gateways: %w", err)
	}
	return listener, nil
}

// write is the work of the one replica that writes.
func (a *Agent) write(ctx context.Context, derived *derived.Writer, shows *status.Writer) {
	a.writes.Store(true)
	defer a.writes.Store(false)
	var group sync.WaitGroup
	group.Go(func() { shows.Run(ctx) })
	group.Go(func() { a.addresses.Run(ctx) })
	group.Go(func() { a.knowClusterset(ctx) })
	if file := a.Settings.File.Members; file.Source == settings.SourceSecrets {
		renewer := &renew.Renewer{Kube: a.kube, Namespace: file.Namespace, Log: a.Log}
		group.Go(func() { renewer.Run(ctx) })
	}
	if a.publisher != nil {
		keeper := &bootstrap.Keeper{
			Kube: a.kube, Namespace: a.Namespace, Name: bootstrapSecret, Identity: a.identity("gateway"),
			Issue: a.firstCertificate, Roots: a.authority.Roots, Changed: a.authority.Changed, Log: a.Log,
		}
		group.Go(func() { keeper.Run(ctx) })
	}
	group.Go(func() { derived.Run(ctx) })
	group.Go(func() { a.imports.Run(ctx) })
	group.Wait()
}
