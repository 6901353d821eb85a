package publish

import (
	"hash/fnv"
	"io"
	"strconv"
)

// scope is what one audience gets: the gateways of a member their configuration,
// an identity its secrets.
type scope struct {
	// latest is what was published last; the Publisher's publishing guards it.
	latest [kinds]contents
	// tables has one for each kind of the scope. They and published are guarded by
	// the Publisher's mu.
	tables    [kinds]*table
	published extent
}

// extent is how much of what there is was published.
type extent uint8

const (
	nothing extent = iota
	// early is a part, which says nothing of what is missing in it.
	early
	whole
)

// answersLocked reports whether a stream is told of what is published.
func (at *scope) answersLocked(s *session) bool {
	return at.published == whole || at.published == early && !s.resumed
}

func newScope(of ...kind) *scope {
	made := &scope{}
	for _, kind := range of {
		made.latest[kind] = contents{}
		made.tables[kind] = &table{kind: kind, records: map[string]*record{}, wildcards: map[*subscription]struct{}{}}
	}
	return made
}

// table is the resources of one kind and who wants them.
type table struct {
	kind      kind
	records   map[string]*record
	wildcards map[*subscription]struct{}
	// sum adds up a hash of each name with its version: equal content has equal
	// sums, and a change costs as much as the change.
	sum uint64
	// version is sum as text; empty while nobody asked.
	version string
	// last is the body composed last, for the next stream that needs the same.
	last *body
}

// record is one name: its content, nil where there is none, and who asked for it
// by name. It exists only while it has either.
type record struct {
	current     *resource
	subscribers map[*subscription]struct{}
}

// setLocked changes the content of a name and returns who wants to know.
func (t *table) setLocked(name string, next *resource) func(func(*subscription) bool) {
	r := t.recordLocked(name)
	t.sum += digest(name, next) - digest(name, r.current)
	r.current, t.version = next, ""
	t.pruneLocked(name, r)
	return func(yield func(*subscription) bool) {
		for u := range t.wildcards {
			if !yield(u) {
				return
			}
		}
		for u := range r.subscribers {
			if !yield(u) {
				return
			}
		}
	}
}

func (t *table) recordLocked(name string) *record {
	r := t.records[name]
	if r == nil {
		r = &record{}
		t.records[name] = r
	}
	return r
}

func (t *table) pruneLocked(name string, r *record) {
	if r.current == nil && len(r.subscribers) == 0 {
		delete(t.records, name)
	}
}

func (t *table) currentLocked(name string) *resource {
	if r := t.records[name]; r != nil {
		return r.current
	}
	return nil
}

func (t *table) subscribeLocked(name string, u *subscription) {
	r := t.recordLocked(name)
	if r.subscribers == nil {
		r.subscribers = map[*subscription]struct{}{}
	}
	r.subscribers[u] = struct{}{}
}

func (t *table) unsubscribeLocked(name string, u *subscription) {
	if r := t.records[name]; r != nil {
		delete(r.subscribers, u)
		t.pruneLocked(name, r)
	}
}

// versionLocked is that of all resources together.
func (t *table) versionLocked() string {
	if t.version == "" {
		t.version = strconv.FormatUint(t.sum, 16)
	}
	return t.version
}

func digest(name string, r *resource) uint64 {
	if r == nil {
		return 0
	}
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, name)
	_, _ = hash.Write([]byte{0})
	_, _ = io.WriteString(hash, r.version)
	return hash.Sum64()
}
