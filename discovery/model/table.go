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

// Different yields the keys at which two tables hold other values, in no order: of
// pointers, so that equal ones count as different where they are not the same. What
// the tables share is passed over, so that it costs as much as what changed between them.
func (t *Table[V]) Different(other *Table[V]) iter.Seq[ServiceKey] {
	return func(yield func(ServiceKey) bool) {
		for of, mine := range t.branches {
			theirs := other.branches[of]
			if mine == theirs {
				continue
			}
			for in := range fanOut {
				if !differ(mine.bucket(in), theirs.bucket(in), yield) {
					return
				}
			}
		}
	}
}

// bucket is one of a branch; that of no branch is empty.
func (b *branch[V]) bucket(in int) []V {
	if b == nil {
		return nil
	}
	return b[in]
}

// differ yields the keys at which two buckets do; false where nobody wants more.
func differ[V keyed](a, b []V, yield func(ServiceKey) bool) bool {
	if len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) {
		return true // nobody writes into a bucket that was handed on
	}
	for _, value := range a {
		key := value.service()
		if at := find(b, key); (at < 0 || b[at] != value) && !yield(key) {
			return false
		}
	}
	for _, value := range b {
		if key := value.service(); find(a, key) < 0 && !yield(key) {
			return false
		}
	}
	return true
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
