package plain

import (
	"context"
	"maps"
	"net/http"
	"sync"

	"github.com/eastwest-mesh/eastwest/installer/verify"
	"github.com/eastwest-mesh/eastwest/installer/verify/plain/chain"
	"github.com/eastwest-mesh/eastwest/installer/verify/traffic"
)

// Standing looks at the agents, records and credentials of every pair, also where
// traffic flows: gateways go on with what they were told last.
func (d *Dataplane) Standing(ctx context.Context, scene *verify.Scene) []verify.Standing {
	if ctx.Err() != nil {
		return nil // what cannot be read any more proves nothing
	}
	scene.Each(func(m *verify.Member) {
		d.of(m).read(ctx, d.of(m).reader())
	})
	credentials := d.credentials(ctx, scene)
	var all []verify.Standing
	for _, c := range scene.Cells {
		if !c.Expected || c.Consumer.Err != nil || c.Producer.Err != nil {
			continue
		}
		link := d.evidence(c, nil, nil)
		link.Credential = credentials[c.Pair()]
		for _, verdict := range chain.Standing(link) {
			all = append(all, verify.Standing{Pair: c.Pair(), Verdict: verdict, Works: c.Answered})
		}
	}
	return all
}

// credentials tries what every consumer's agent holds for every producer.
func (d *Dataplane) credentials(ctx context.Context, scene *verify.Scene) map[verify.Pair]chain.Credential {
	all := map[verify.Pair]chain.Credential{}
	var mu sync.Mutex // guards all
	scene.Each(func(consumer *verify.Member) {
		mine := map[verify.Pair]chain.Credential{}
		var targets []traffic.Target
		for _, producer := range scene.Members {
			record, found := d.of(consumer).known().Record(producer.Name)
			if producer == consumer || producer.Err != nil || !found || record.Invalid != "" {
				continue
			}
			mine[verify.Pair{Consumer: consumer.Name, Producer: producer.Name}] = chain.Credential{Status: d.accepts(ctx, producer, record.Token)}
			targets = append(targets, traffic.Target{Name: producer.Name, URL: record.Server + "/version"})
		}
		for name, answer := range consumer.Dial(ctx, targets) {
			pair := verify.Pair{Consumer: consumer.Name, Producer: name}
			mine[pair] = chain.Credential{Status: mine[pair].Status, Dial: &answer}
		}
		mu.Lock()
		defer mu.Unlock()
		maps.Copy(all, mine)
	})
	return all
}

// accepts asks the producer about a token. One that is not there is as good as a
// refused one.
func (d *Dataplane) accepts(ctx context.Context, producer *verify.Member, token string) int {
	if token == "" {
		return http.StatusUnauthorized
	}
	return producer.Accepts(ctx, token)
}
