package installer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/verify/istio/facts"
	"github.com/eastwest-mesh/eastwest/internal/podexec"
)

// syncTimeout is how long istiods may take to read a new remote cluster. Istio
// gives up waiting after 30 s by itself and goes on trying.
const syncTimeout = 45 * time.Second

// reader reads what a member's istiods say.
func (s *site) reader() facts.Reader {
	return facts.Reader{
		Kube: s.member.Kube, Dynamic: s.member.Dynamic, IstioNamespace: s.member.IstioNamespace,
		Exec: func(ctx context.Context, target podexec.Target, command ...string) ([]byte, error) {
			return podexec.Run(ctx, s.member.Config, s.member.Kube, target, command...)
		},
	}
}

// syncOf is what each replica of the istiod in use says of a remote cluster, by
// pod; a replica that cannot be asked has no entry.
func (s *site) syncOf(istiods []facts.Istiod, clusterID string) map[string]string {
	states := map[string]string{}
	for _, istiod := range istiods {
		if istiod.Revision != s.plane().Revision || istiod.Sync == nil {
			continue
		}
		state := istiod.Sync[clusterID]
		if state == "" {
			state = "unaware"
		}
		states[istiod.Pod] = state
	}
	return states
}

// awaitSync waits until every istiod replica of the consumers has read the
// producers whose credential was just written. What is not read by then is a
// note: verify and status name the cause.
func (in *Installer) awaitSync(ctx context.Context, jobs []*istiodLink) {
	byConsumer := map[*site][]*istiodLink{}
	for _, job := range jobs {
		if job.err == nil && job.written {
			byConsumer[job.consumer] = append(byConsumer[job.consumer], job)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	var group sync.WaitGroup
	for consumer, fresh := range byConsumer {
		group.Go(func() { in.awaitConsumer(ctx, consumer, fresh) })
	}
	group.Wait()
}

func (in *Installer) awaitConsumer(ctx context.Context, consumer *site, fresh []*istiodLink) {
	in.tell(Event{Cluster: consumer.name(), Step: "sync", State: Running})
	var behind []string
	err := apply.Poll(ctx, func(ctx context.Context) (bool, error) {
		istiods, err := consumer.reader().Istiods(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // a hiccup; ctx bounds the wait
		}
		behind = behind[:0]
		for _, job := range fresh {
			for pod, state := range consumer.syncOf(istiods, job.producer.plane().ClusterID) {
				if state != stateSynced {
					behind = append(behind, fmt.Sprintf("%s: %s says %s", job.producer.name(), pod, state))
				}
			}
		}
		return len(behind) == 0, nil
	})
	if err != nil {
		in.tell(Event{Cluster: consumer.name(), Step: "sync", State: Note, Text: "not synced yet: " + strings.Join(behind, ", ")})
		return
	}
	in.tell(Event{Cluster: consumer.name(), Step: "sync", State: Done})
}
