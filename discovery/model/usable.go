package model

// Usable says which endpoints of a service in one member are used: those that are
// Serving, or the Draining ones where none is. It is false where neither exist.
func Usable(slices []*Slice) (Health, bool) {
	best := Unready
	for _, slice := range slices {
		for at := range slice.Endpoints.Len() {
			best = min(best, slice.Endpoints.Health(at))
		}
		if best == Serving {
			break
		}
	}
	return best, best < Unready
}
