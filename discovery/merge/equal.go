package merge

import (
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// equalService compares two services; either may be nil.
func equalService(a, b *model.Service) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Key == b.Key && a.Type == b.Type && a.Traits.Equal(b.Traits) && slices.Equal(a.Ports, b.Ports) &&
		slices.Equal(a.Exporters, b.Exporters) && a.Cut.Equal(b.Cut) &&
		slices.EqualFunc(a.Backends, b.Backends, equalBackend) &&
		slices.EqualFunc(a.Conflicts, b.Conflicts, equalConflict)
}

func equalBackend(a, b model.Backend) bool {
	return a.Member == b.Member && a.Share == b.Share && slices.Equal(a.Ports, b.Ports) && slices.EqualFunc(a.Slices, b.Slices, (*model.Slice).Equal)
}

func equalConflict(a, b model.Conflict) bool {
	return a.Service == b.Service && a.Reason == b.Reason && a.Winner == b.Winner &&
		slices.Equal(a.Losers, b.Losers) && a.Message == b.Message
}
