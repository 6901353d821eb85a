package model

import (
	"hash/maphash"
	"iter"
	"slices"
)

// Table holds values by the service that they are of. It is immutable: With returns
// another that shares everything but what it changes, so that the next one costs as
// much as its changes and not as the mesh, which copying a map would. The zero value is
// empty.
type Table[V keyed] struct {
	branches [fanOut]*branch[V]
	count    int
}

// Services are all services of a view.
type Services = Table[*Service]

// Offers are all that a member offers.
type Offers = Table[*Offer]

// keyed is a pointer to what knows its service.
type keyed interface {
	comparable
	service() ServiceKey
}

func (s *Service) service() ServiceKey { return s.Key }
func (o *Offer) service() ServiceKey   { return o.Key }

// OffersOf is a table of offers.
func OffersOf(all ...*Offer) Offers {
	different := make(map[ServiceKey]*Offer, len(all))
	for _, one := range all {
		different[one.Key] = one
	}
	return Offers{}.With(different)
}

// fanOut squared is the number of buckets: few values in each for some ten thousand.
const fanOut = 32

type branch[V keyed] [fanOut][]V

// hashSeed differs from process to process, so that no member can choose names
// that all fall into one bucket. Nothing that is seen depends on it.
var hashSeed = maphash.MakeSeed()

func place(key ServiceKey) (of, in uint64) {
	hash := maphash.Comparable(hashSeed, key)
	return hash % fanOut, hash / fanOut % fanOut
}

// Len is the number of values.
func (t *Table[V]) Len() int { return t.count }

// Get returns the value of a service, or nil.
func (t *Table[V]) Get(key ServiceKey) V {
	var none V
	of, in := place(key)
	if t.branches[of] == nil {
		return none
	}
	bucket := t.branches[of][in]
	if at := find(bucket, key); at >= 0 {
		return bucket[at]
	}
	return none
}

// All yields every value, in no order.
func (t *Table[V]) All() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, from := range t.branches {
			if from == nil {
				continue
			}
			for _, bucket := range from {
				for _, value := range bucket {
					if !yield(value) {
						return
					}
				}
			}
		}
	}
}

// With returns the table with some values set; nil takes one away.
func (t Table[V]) With(different map[ServiceKey]V) Table[V] {
	next := t
	var copied [fanOut]bool
	for key, value := range different {
		of, in := place(key)
		if !copied[of] {
			own := branch[V]{}
			if next.branches[of] != nil {
				own = *next.branches[of]
			}
			next.branches[of], copied[of] = &own, true
		}
		bucket := &next.branches[of][in]
		before := len(*bucket)
		*bucket = set(*bucket, key, value)
		next.count += len(*bucket) - before
	}
	return next
}

// set returns a bucket with one value set; the old bucket stays as it is.
func set[V keyed](bucket []V, key ServiceKey, value V) []V {
	var none V
	at := find(bucket, key)
	switch {
	case at < 0 && value == none:
		return bucket
	case at < 0:
		return append(slices.Clip(bucket), value)
	}
	bucket = slices.Clone(bucket)
	if value == none {
		return slices.Delete(bucket, at, at+1)
	}
	bucket[at] = value
	return bucket
}

func find[V keyed](bucket []V, key ServiceKey) int {
	return slices.IndexFunc(bucket, func(value V) bool { return value.service() == key })
}
