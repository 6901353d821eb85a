package config

import (
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// Link is an ordered pair of member names: traffic and discovery go from the
// consumer to the producer.
type Link struct {
	Consumer, Producer string
}

func (l Link) String() string { return l.Consumer + ">" + l.Producer }

// Topology says which ordered pairs of members are linked.
type Topology struct {
	hub   string
	pairs []Link
}

// ParseTopology reads "full", "hub:NAME" or "pairs:A>B,C>D".
func ParseTopology(text string) (Topology, error) {
	invalid := problem.New(problem.Input, "InvalidTopology", "topology %s", quote(text)).
		WithFix("use full, hub:NAME, or pairs:A>B,C>D where the left member calls the right one")
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case text == "" || text == "full":
		return Topology{}, nil
	case kind == "hub" && rest != "":
		return Topology{hub: rest}, nil
	case kind == "pairs" && rest != "":
		var pairs []Link
		for _, one := range strings.Split(rest, ",") {
			consumer, producer, found := strings.Cut(one, ">")
			if !found || consumer == "" || producer == "" || consumer == producer {
				return Topology{}, invalid
			}
			if link := (Link{Consumer: consumer, Producer: producer}); !slices.Contains(pairs, link) {
				pairs = append(pairs, link)
			}
		}
		return Topology{pairs: pairs}, nil
	}
	return Topology{}, invalid
}

// Links lists the links among members in their order. A member that the
// topology names and members lack is a problem of kind Input.
func (t Topology) Links(members []string) ([]Link, error) {
	known := map[string]bool{}
	for _, name := range members {
		known[name] = true
	}
	named := []string{}
	if t.hub != "" {
		named = append(named, t.hub)
	}
	for _, pair := range t.pairs {
		named = append(named, pair.Consumer, pair.Producer)
	}
	for _, name := range named {
		if !known[name] {
			return nil, problem.New(problem.Input, "InvalidTopology", "topology names %q, which is no member", name).
				WithFix("the members are %s", strings.Join(members, ", "))
		}
	}
	if t.pairs != nil {
		return t.pairs, nil
	}
	var links []Link
	for _, consumer := range members {
		for _, producer := range members {
			if consumer != producer && (t.hub == "" || t.hub == consumer || t.hub == producer) {
				links = append(links, Link{Consumer: consumer, Producer: producer})
			}
		}
	}
	return links, nil
}
