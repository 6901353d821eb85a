package model

// Share is how much of the traffic the endpoints of one exporter get beside those of the
// others. The zero value is one like any other.
type Share struct {
	// Weight is of each endpoint: one of weight 2 gets twice as much as one of weight 1.
	// 0: nobody said, which is 1.
	Weight uint32
	// Drained endpoints get nothing new.
	Drained bool
}

// Each is the weight of an endpoint; 0 where it gets nothing.
func (s Share) Each() uint32 {
	if s.Drained {
		return 0
	}
	return max(s.Weight, 1)
}
