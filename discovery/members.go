package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/member"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/settings"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// source is where the records of members come from.
type source interface {
	Run(ctx context.Context) error
	Synced() <-chan struct{}
}

// members keeps one watch for every member there is. It is the registry's
// audience: what joins is watched, what leaves is let go.
type members struct {
	own     v1alpha1.MemberRecord
	options func(v1alpha1.MemberRecord) watch.Options
	source  source
	memory  *memory
	log     *slog.Logger
	// changed gets a value when there are other members than before.
	changed chan struct{}

	running sync.WaitGroup
	// mu guards what is below.
	mu       sync.Mutex
	ctx      context.Context //nolint:containedctx // that of run, for what joins later
	clusters map[model.MemberName]*watch.Cluster
	joined   map[model.MemberName]member.Member
	// ends are closed when the watch that was begun last of a member has ended.
	ends     map[model.MemberName]chan struct{}
	problems []member.Problem
}

func newMembers(a *Agent, own v1alpha1.MemberRecord) *members {
	m := &members{
		own: own, memory: a.memory, log: a.Log, changed: make(chan struct{}, 1),
		clusters: map[model.MemberName]*watch.Cluster{}, joined: map[model.MemberName]member.Member{},
		ends: map[model.MemberName]chan struct{}{},
	}
	file := a.Settings.File
	m.options = func(record v1alpha1.MemberRecord) watch.Options {
		last := m.memory.recall(record)
		if last != nil && record.UID == "" {
			record.UID = last.Member.UID // what was pinned stays pinned
		}
		return watch.Options{
			Record: record, Last: last, Exports: file.Exports.Policy, NoServiceExports: !file.MCS.On(), StaleAfter: a.Settings.StaleAfter,
			Limits: watch.Limits{
				Services: int(*file.Limits.Services), Endpoints: int(*file.Limits.Endpoints),
				Bytes: int(*file.Limits.Bytes), EventsPerSecond: int(*file.Limits.EventsPerSecond),
			},
		}
	}
	options := member.Options{Own: own, Events: m}
	if file.Members.Source == settings.SourceFolder {
		m.source = member.NewFolder(file.Members.Folder, options)
	} else {
		m.source = member.NewSecrets(a.kube, file.Members.Namespace, options)
	}
	return m
}

// run watches members until ctx ends, the own cluster among them.
func (m *members) run(ctx context.Context, own *watch.Cluster) error {
	m.mu.Lock()
	m.ctx = ctx
	m.startLocked(own)
	m.mu.Unlock()
	err := m.source.Run(ctx)
	m.running.Wait()
	return err
}

// names are the members that are known; false before all records were read.
func (m *members) names() ([]model.MemberName, bool) {
	select {
	case <-m.source.Synced():
	default:
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	names := make([]model.MemberName, 0, len(m.clusters))
	for name := range m.clusters {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, true
}

// Join watches a member.
func (m *members) Join(joined member.Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	options := m.options(joined.Record)
	options.Config = joined.Config
	cluster, err := watch.New(options)
	if err != nil {
		m.log.Error("watch a member", "member", joined.Name(), "error", err)
		return
	}
	m.log.Info("member joined", "member", joined.Name(), "server", joined.Config.Host)
	m.joined[joined.Name()] = joined
	m.startLocked(cluster)
	m.wake()
}

// startLocked begins to watch, but not before an earlier watch of that name has ended:
// the last it does is to take away what it offered, which must not be the new one's.
func (m *members) startLocked(cluster *watch.Cluster) {
	name, ctx := cluster.Name(), m.ctx
	before, end := m.ends[name], make(chan struct{})
	m.clusters[name], m.ends[name] = cluster, end
	m.running.Go(func() {
		if before != nil {
			<-before
		}
		cluster.Run(ctx, m.memory)
		m.mu.Lock()
		defer m.mu.Unlock()
		close(end)
		if m.ends[name] == end {
			delete(m.ends, name)
		}
	})
}

// Replace brings another credential or record of a member.
func (m *members) Replace(other member.Member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	cluster := m.clusters[other.Name()]
	if cluster == nil {
		return
	}
	m.log.Info("member has another credential or record", "member", other.Name())
	m.joined[other.Name()] = other
	if err := cluster.Replace(other.Record, other.Config); err != nil {
		m.log.Error("replace a member", "member", other.Name(), "error", err)
	}
}

// Leave lets a member go, and what it offered.
func (m *members) Leave(name model.MemberName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	cluster := m.clusters[name]
	if cluster == nil {
		return
	}
	delete(m.clusters, name)
	delete(m.joined, name)
	m.log.Info("member left", "member", name)
	cluster.Leave()
	m.wake()
}

// Problems keeps what is wrong with records.
func (m *members) Problems(problems []member.Problem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.problems = problems
	for _, one := range problems {
		m.log.Warn("member's record", "member", one.Member, "reason", one.Reason, "message", one.Message)
	}
}

// exportProblems are what is wrong with what the own cluster exports; nothing before the
// records have been read.
func (m *members) exportProblems() []watch.Problem {
	if _, known := m.names(); !known {
		return nil
	}
	m.mu.Lock()
	own := m.clusters[model.MemberName(m.own.Name)]
	m.mu.Unlock()
	if own == nil {
		return nil
	}
	return own.Problems() // outside of the lock, as in standings
}

// config is how a member is reached now; false where there is none of that name.
func (m *members) config(name model.MemberName) (*rest.Config, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	joined, ok := m.joined[name]
	return joined.Config, ok
}

// record is what is recorded of a member; false where there is none of that name.
func (m *members) record(name model.MemberName) (v1alpha1.MemberRecord, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	joined, ok := m.joined[name]
	return joined.Record, ok
}

// gateways are the recorded objects with advertised addresses, by member.
func (m *members) gateways() map[model.MemberName][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[model.MemberName][]byte{}
	for name, one := range m.joined {
		if one.Gateways != nil {
			all[name] = one.Gateways
		}
	}
	return all
}

func (m *members) wake() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// watchOwn prepares to watch the own cluster.
func (a *Agent) watchOwn(record v1alpha1.MemberRecord) (*watch.Cluster, error) {
	options := a.members.options(record)
	options.Config = a.Config
	cluster, err := watch.New(options)
	if err != nil {
		return nil, fmt.Errorf("watch the own cluster: %w", err)
	}
	return cluster, nil
}
