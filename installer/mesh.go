package installer

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/eastwest-mesh/eastwest/installer/config"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/podprobe"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// parallelLinks bounds how many links are worked on at once.
const parallelLinks = 16

// CreateMesh gives every consumer of the topology a credential for its
// producers: it finds an API address that works from inside the consumer, makes
// the account on the producer, and writes the remote secret. A link that fails
// leaves the others alone.
func (in *Installer) CreateMesh(ctx context.Context) error {
	links, err := in.links()
	if err != nil {
		return err
	}
	if !in.options.DryRun {
		in.each(ctx, "sweep", func(ctx context.Context, s *site) error { return in.sweep(ctx, s, false) })
	}
	var jobs []*istiodLink
	work := in.work(links)
	for _, one := range work {
		jobs = append(jobs, &istiodLink{link: one})
	}
	eachLink(jobs, func(job *istiodLink) { job.err = job.prepare(ctx) })
	in.findAddresses(ctx, work)
	eachLink(jobs, func(job *istiodLink) { job.run(ctx, job.write) })
	if !in.options.DryRun && !in.options.NoWait {
		in.awaitSync(ctx, jobs)
	}
	in.settleLinks(work)
	return nil
}

// eachLink works on several links at once.
func eachLink[L any](links []L, do func(L)) {
	var group errgroup.Group
	group.SetLimit(parallelLinks)
	for _, one := range links {
		group.Go(func() error {
			do(one)
			return nil
		})
	}
	_ = group.Wait()
}

// sweep deletes probe pods that a killed run left in a member.
func (in *Installer) sweep(ctx context.Context, s *site, all bool) error {
	for _, namespace := range slices.Compact([]string{in.probeNamespace(), agentNamespace}) {
		if err := podprobe.Sweep(ctx, s.member.Kube, namespace, all); err != nil {
			return err
		}
	}
	return nil
}

func (in *Installer) links() ([]config.Link, error) {
	topology, err := config.ParseTopology(in.mesh.Spec.Topology)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(in.sites))
	for i, s := range in.sites {
		names[i] = s.name()
	}
	return topology.Links(names)
}

// work are the links whose two ends are alive; a dead end was reported when its
// member dropped out.
func (in *Installer) work(links []config.Link) []*link {
	var work []*link
	for _, one := range links {
		consumer, producer := in.site(one.Consumer), in.site(one.Producer)
		if !consumer.alive() || !producer.alive() {
			continue
		}
		work = append(work, &link{
			in: in, consumer: consumer, producer: producer,
			report: LinkReport{Consumer: one.Consumer, Producer: one.Producer},
		})
	}
	return work
}

// settleLinks records what became of the links. Where no pair at all has a
// usable API address, that is a refusal; else the failed pairs are failures.
func (in *Installer) settleLinks(jobs []*link) {
	refused := 0
	for _, job := range jobs {
		var known *problem.Error
		if errors.As(job.err, &known) && known.Code == codeNoAddress {
			refused++
		}
	}
	for _, job := range jobs {
		var known *problem.Error
		if errors.As(job.err, &known) && known.Code == codeNoAddress && refused == len(jobs) {
			known.Kind = problem.Refused
		}
		if job.err != nil {
			job.report.Error = job.err.Error()
			in.fail(job.err)
			in.tell(Event{Cluster: job.consumer.name(), Step: "peer " + job.producer.name(), State: Failed, Text: job.err.Error()})
		}
		in.mu.Lock()
		in.report.Links = append(in.report.Links, job.report)
		in.mu.Unlock()
	}
}

// findAddresses probes, once per consumer, the API addresses of all producers
// whose credential is about to be written.
func (in *Installer) findAddresses(ctx context.Context, jobs []*link) {
	candidates := in.candidates(ctx, jobs)
	byConsumer := map[*site][]*link{}
	for _, job := range jobs {
		if job.err == nil && job.needsAddress() {
			byConsumer[job.consumer] = append(byConsumer[job.consumer], job)
		}
	}
	var group sync.WaitGroup
	for consumer, needy := range byConsumer {
		group.Go(func() { in.proveAddresses(ctx, consumer, needy, candidates) })
	}
	group.Wait()
}

// candidates collects the API addresses of the producers that need one.
func (in *Installer) candidates(ctx context.Context, jobs []*link) map[*site][]peer.Address {
	var mu sync.Mutex
	var group sync.WaitGroup
	found := map[*site][]peer.Address{}
	for _, job := range jobs {
		if job.err != nil || !job.needsAddress() {
			continue
		}
		if _, known := found[job.producer]; known {
			continue
		}
		found[job.producer] = nil
		producer := job.producer
		group.Go(func() {
			addresses := producer.addresses(ctx)
			mu.Lock()
			defer mu.Unlock()
			found[producer] = addresses
		})
	}
	group.Wait()
	return found
}

func sortedNames[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
