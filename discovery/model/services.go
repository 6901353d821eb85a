package model

import (
	"hash/maphash"
	"iter"
	"slices"
)

// Services are all services of a view, by key. They are immutable: With returns
// others that share everything but what it changes, so that the next view costs as
// much as its changes and not as the mesh, which copying a map would. The zero
// value is empty.
type Services struct {
	branches [fanOut]*branch
	count    int
}

// fanOut squared is the number of buckets: few services in each for meshes of some
// ten thousand.
const fanOut = 64

type branch [fanOut][]*Service

// hashSeed differs from process to process, so that no member can choose names
// that all fall into one bucket. Nothing that is seen depends on it.
var hashSeed = maphash.MakeSeed()

func place(key ServiceKey) (of, in uint64) {
	hash := maphash.Comparable(hashSeed, key)
	return hash % fanOut, hash / fanOut % fanOut
}

// Len is the number of services.
func (s *Services) Len() int { return s.count }

// Get returns a service, or nil.
func (s *Services) Get(key ServiceKey) *Service {
	of, in := place(key)
	if s.branches[of] == nil {
		return nil
	}
	bucket := s.branches[of][in]
	if at := find(bucket, key); at >= 0 {
		return bucket[at]
	}
	return nil
}

// All yields every service, in no order.
func (s *Services) All() iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for _, from := range s.branches {
			if from == nil {
				continue
			}
			for _, bucket := range from {
				for _, service := range bucket {
					if !yield(service) {
						return
					}
				}
			}
		}
	}
}

// With returns the services with some of them set; nil takes one away.
func (s *Services) With(different map[ServiceKey]*Service) Services {
	next := *s
	var copied [fanOut]bool
	for key, service := range different {
		of, in := place(key)
		if !copied[of] {
			own := branch{}
			if next.branches[of] != nil {
				own = *next.branches[of]
			}
			next.branches[of], copied[of] = &own, true
		}
		bucket := &next.branches[of][in]
		before := len(*bucket)
		*bucket = set(*bucket, key, service)
		next.count += len(*bucket) - before
	}
	return next
}

// set returns a bucket with one service set; the old bucket stays as it is.
func set(bucket []*Service, key ServiceKey, service *Service) []*Service {
	at := find(bucket, key)
	switch {
	case at < 0 && service == nil:
		return bucket
	case at < 0:
		return append(slices.Clip(bucket), service)
	}
	bucket = slices.Clone(bucket)
	if service == nil {
		return slices.Delete(bucket, at, at+1)
	}
	bucket[at] = service
	return bucket
}

func find(bucket []*Service, key ServiceKey) int {
	return slices.IndexFunc(bucket, func(service *Service) bool { return service.Key == key })
}
