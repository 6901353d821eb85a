package model

import "cmp"

// PortKey names a port of a service.
type PortKey struct {
	Service ServiceKey
	Number  uint16
}

// Compare orders keys by service, then number.
func (k PortKey) Compare(other PortKey) int {
	return cmp.Or(k.Service.Compare(other.Service), cmp.Compare(k.Number, other.Number))
}
