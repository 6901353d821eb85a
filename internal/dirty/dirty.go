// Package dirty owns which of many things are to be looked at again: those that somebody
// reported, those at which somebody failed, or all. It must not know what the things
// are, nor what is done with them.
package dirty

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// Set is what is to be looked at. Any number of goroutines may use it.
type Set[K comparable] struct {
	wake chan struct{}

	// mu guards what follows.
	mu sync.Mutex
	// all is true where everything is to be looked at; then there are no keys.
	all    bool
	keys   map[K]struct{}
	failed map[K]error
}

// New is a set with everything in it. The channel must have room for one value, and
// gets one when something is added.
func New[K comparable](wake chan struct{}) *Set[K] {
	return &Set[K]{wake: wake, all: true, keys: map[K]struct{}{}, failed: map[K]error{}}
}

// Wake gets a value when something was added.
func (s *Set[K]) Wake() <-chan struct{} { return s.wake }

// Add puts things in. Without any it wakes alone: something that concerns none of them
// may have changed.
func (s *Set[K]) Add(keys ...K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putLocked(keys)
	s.tell()
}

func (s *Set[K]) putLocked(keys []K) {
	if s.all {
		return
	}
	for _, key := range keys {
		s.keys[key] = struct{}{}
	}
}

func (s *Set[K]) tell() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// AddAll puts everything in. What is added from then on costs no memory until it is
// taken, so that it is also how nobody who takes leaves a set.
func (s *Set[K]) AddAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = true
	clear(s.keys)
	clear(s.failed)
	s.tell()
}

// Take empties the set. The keys are the caller's; all is true where everything was in
// it. Failures at what was taken are forgotten.
func (s *Set[K]) Take() (keys map[K]struct{}, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys, all = s.keys, s.all
	s.keys, s.all = map[K]struct{}{}, false
	if all {
		clear(s.failed)
	}
	for key := range keys {
		delete(s.failed, key)
	}
	return keys, all
}

// Fail notes why something must be looked at again, though not before Retry.
func (s *Set[K]) Fail(key K, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[key] = err
}

// Retry puts in what failed. It wakes nobody: whoever retries is about to take.
func (s *Set[K]) Retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putLocked(slices.Collect(maps.Keys(s.failed)))
}

// Failures are why things must be looked at again, in no order.
func (s *Set[K]) Failures() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.failed))
}

// Between yields the keys at which two maps differ, in no order.
func Between[K, V comparable](a, b map[K]V) iter.Seq[K] {
	return func(yield func(K) bool) {
		for key, value := range a {
			if other, found := b[key]; (!found || other != value) && !yield(key) {
				return
			}
		}
		for key := range b {
			if _, found := a[key]; !found && !yield(key) {
				return
			}
		}
	}
}
