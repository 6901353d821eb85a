package publish

import (
	"cmp"
	"encoding/json"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// Resource is one resource in a dump.
type Resource struct {
	Type string
	Name string
	// Version is what is published; empty where nothing is.
	Version string
	// Held is what the proxy has, in the dump of one.
	Held string
	// Config is the content. Secrets have none in a dump.
	Config *anypb.Any
}

// MarshalJSON writes the content as its message, or why that is impossible.
func (r Resource) MarshalJSON() ([]byte, error) {
	shown := struct {
		Type    string          `json:"type"`
		Name    string          `json:"name"`
		Version string          `json:"version,omitempty"`
		Held    string          `json:"held,omitempty"`
		Config  json.RawMessage `json:"config,omitempty"`
		Error   string          `json:"error,omitempty"`
	}{Type: r.Type, Name: r.Name, Version: r.Version, Held: r.Held}
	if r.Config != nil {
		text, err := protojson.Marshal(r.Config)
		if err != nil {
			shown.Error = err.Error()
		} else {
			shown.Config = text
		}
	}
	return json.Marshal(shown)
}

// listed is a resource that is to be dumped, taken out from under the lock: what
// it points to never changes.
type listed struct {
	kind     kind
	name     string
	held     string
	resource *resource
}

// Dump is what is published to the gateways of a member.
func (p *Publisher) Dump(member model.MemberName) []Resource { return dump(p.list(member)) }

func (p *Publisher) list(member model.MemberName) []listed {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.members[member]
	if at == nil {
		return nil
	}
	var all []listed
	for _, kind := range setKinds {
		for name, r := range at.tables[kind].records {
			if r.current != nil {
				all = append(all, listed{kind: kind, name: name, resource: r.current})
			}
		}
	}
	return all
}

// DumpProxy is what a gateway has and asks for; false where none is connected
// under that name.
func (p *Publisher) DumpProxy(node string) ([]Resource, bool) {
	all, found := p.listProxy(node)
	return dump(all), found
}

func (p *Publisher) listProxy(node string) (all []listed, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		if s.node.GetId() != node {
			continue
		}
		found = true
		for _, u := range s.subscriptions {
			if u == nil {
				continue
			}
			for name, h := range u.held {
				all = append(all, listed{u.kind, name, h.version, u.table.currentLocked(name)})
			}
		}
	}
	return all, found
}

func dump(all []listed) []Resource {
	slices.SortFunc(all, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	resources := make([]Resource, len(all))
	for i, one := range all {
		resources[i] = Resource{Type: one.kind.String(), Name: one.name, Held: one.held}
		if one.resource == nil {
			continue
		}
		resources[i].Version = one.resource.version
		if one.kind == secretKind {
			continue
		}
		resources[i].Config = one.resource.decode(one.kind)
	}
	return resources
}
