package publish

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Stats are counts since the start.
type Stats struct {
	// Streams are open now, Unacked the answers under way.
	Streams, Unacked int
	// Opened streams, and what was turned away, by reason: handshake,
	// unauthenticated, identity, streams, rate, node, bug.
	Opened   int
	Rejected map[string]int
	// Responses that were sent, with their resources, removed names and bytes.
	Responses, Resources, Removed, Bytes int
	// Acks and Nacks of answers, and verdicts on answers that were out of date.
	Acks, Nacks, StaleNonces int
	// UnknownTypes were asked for and ignored.
	UnknownTypes int
}

// Stats are the counts as they are now.
func (p *Publisher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	stats.Rejected = maps.Clone(stats.Rejected)
	stats.Streams, stats.Unacked = len(p.sessions), p.unacked
	return stats
}

// Proxy is a gateway that is connected.
type Proxy struct {
	Node          string           `json:"node"`
	Member        model.MemberName `json:"member"`
	Identity      string           `json:"identity"`
	Address       string           `json:"address"`
	Connected     time.Time        `json:"connected"`
	Subscriptions []Subscription   `json:"subscriptions"`
}

// Subscription is where a gateway stands with one type of resource.
type Subscription struct {
	Type string `json:"type"`
	// Wildcard asks for all there are; Names counts those asked for by name, and
	// Held those that the gateway has.
	Wildcard bool `json:"wildcard"`
	Names    int  `json:"names"`
	Held     int  `json:"held"`
	// Sent and Acked are versions of all resources of the type together, as they
	// were when an answer was made.
	Sent  string `json:"sent,omitempty"`
	Acked string `json:"acked,omitempty"`
	// Pending is set while something is under way or to be sent.
	Pending bool `json:"pending"`
	// Nacks counts refusals; Nack is the last one.
	Nacks int   `json:"nacks"`
	Nack  *Nack `json:"nack,omitempty"`
}

// Nack is a gateway's refusal of an answer. What it refused is not sent again
// until it changes.
type Nack struct {
	Version string    `json:"version"`
	Message string    `json:"message"`
	Time    time.Time `json:"time"`
}

// Proxies are the gateways that are connected, ordered by node.
func (p *Publisher) Proxies() []Proxy {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Proxy
	for s := range p.sessions {
		if s.node == nil {
			continue
		}
		one := Proxy{
			Node: s.node.GetId(), Member: s.member, Identity: s.identity, Address: s.address, Connected: s.since,
		}
		for _, u := range s.subscriptions {
			if u != nil {
				one.Subscriptions = append(one.Subscriptions, u.statusLocked())
			}
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Proxy) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), a.Connected.Compare(b.Connected))
	})
	return all
}

func (u *subscription) statusLocked() Subscription {
	held := 0
	for _, h := range u.held {
		if h.version != "" {
			held++
		}
	}
	return Subscription{
		Type: u.kind.String(), Wildcard: u.wildcard, Names: u.named, Held: held, Sent: u.sent, Acked: u.acked,
		Pending: u.unacked || len(u.dirty) > 0 || u.owed, Nacks: u.nacks, Nack: u.nack,
	}
}
