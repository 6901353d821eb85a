package discovery

import (
	"sync"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/discovery/snapshot"
	"github.com/eastwest-mesh/eastwest/discovery/watch"
)

// memory is what is remembered of members from before the agent was started,
// until each has been listed. It stands between the watches and the inbox.
type memory struct {
	next watch.Sink

	// mu guards what is below.
	mu sync.Mutex
	// loaded was not asked for yet; inUse was given to a watch that has not listed
	// its member since.
	loaded, inUse snapshot.Shards
}

func newMemory(loaded snapshot.Shards, next watch.Sink) *memory {
	return &memory{next: next, loaded: loaded, inUse: snapshot.Shards{}}
}

// recall returns what a member offered last; nil where nothing is known, or where
// the record is one of another cluster. Whoever gets it watches the member.
func (m *memory) recall(record v1alpha1.MemberRecord) *model.Shard {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := model.MemberName(record.Name)
	shard := m.loaded[name]
	delete(m.loaded, name)
	if shard == nil || record.Role == "import" || record.ClusterID != "" && record.ClusterID != string(shard.Member.ID) ||
		record.UID != "" && record.UID != shard.Member.UID {
		return nil
	}
	m.inUse[name] = shard
	return shard
}

// remembers is true for members of which all that is known is from before.
func (m *memory) remembers(name model.MemberName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inUse[name] != nil
}

// Offer passes a shard on. A member that was not listed yet has no gateway to name:
// it keeps the addresses it had, or its endpoints could not be reached.
func (m *memory) Offer(shard *model.Shard, changed []model.ServiceKey) {
	m.next.Offer(m.fill(shard), changed)
}

func (m *memory) fill(shard *model.Shard) *model.Shard {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.inUse[shard.Member.Name]
	switch {
	case last == nil:
		return shard
	case shard.Member.State == model.Ready:
		delete(m.inUse, shard.Member.Name)
		return shard
	case len(shard.Member.Gateways) > 0:
		return shard
	}
	member := *shard.Member
	member.Gateways = last.Member.Gateways
	return &model.Shard{Member: &member, Services: shard.Services}
}

// Leave passes on that a member left.
func (m *memory) Leave(name model.MemberName) {
	m.mu.Lock()
	delete(m.inUse, name)
	m.mu.Unlock()
	m.next.Leave(name)
}
