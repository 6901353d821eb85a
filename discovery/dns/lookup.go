package dns

// presence is what is known of a name.
type presence uint8

const (
	absent presence = iota
	// unknown names may be those of a service that nobody has seen yet.
	unknown
	// present names have a node, which need not have a record.
	present
	// Names that every zone has.
	apex
	version
)

// between is what names have that are there because of others alone.
var between = &node{}

// find looks a name of the zone up, label by label from the right. A name between
// others exists and has nothing. That is true of CLUSTER.SVC.NS, too, if the
// service has hosts: KEP-1645 wants no record there, while to say that there is no
// such name would deny all hosts below it (RFC 8020).
func (z *Zone) find(q *query) (*node, presence) {
	last := q.count - zoneLabels
	if last == 0 {
		return nil, apex
	}
	switch top := q.labels(last-1, last); {
	case string(top) == labelSvc:
		return z.findService(q, last-1)
	case string(top) == labelVersion && last == 1:
		return nil, version
	case string(top) == labelDNS && last == 1:
		return between, present
	case string(top) == labelDNS && last == 2 && string(q.labels(0, 1)) == labelServer:
		return &z.server, present
	}
	return nil, absent
}

// findService looks below svc, which is the label at a place.
func (z *Zone) findService(q *query, svc int) (*node, presence) {
	if svc == 0 {
		return between, present
	}
	in := z.spaces[string(q.labels(svc-1, svc)[1:])]
	if svc == 1 {
		if in == nil || in.live == 0 {
			return nil, z.missing()
		}
		return between, present
	}
	if in == nil {
		return nil, z.missing()
	}
	one := in.entries[string(q.labels(svc-2, svc-1)[1:])]
	if one == nil || one.root == nil {
		return nil, z.missing()
	}
	if svc == 2 {
		return one.root, present
	}
	if found := one.names[string(q.labels(0, svc-2))]; found != nil {
		return found, present
	}
	return nil, z.missing()
}

// missing is what a name is that is not found: as long as not everybody has been
// listed, it may come to be at any moment.
func (z *Zone) missing() presence {
	if z.complete {
		return absent
	}
	return unknown
}
