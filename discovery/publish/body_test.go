package publish

import (
	"net/netip"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/eds"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
)

// TestAnswersAreWhatProtobufWouldWrite compares the answer put together from
// shared parts with the message that it stands for.
func TestAnswersAreWhatProtobufWouldWrite(t *testing.T) {
	t.Parallel()
	at := newScope(endpointKind)
	next := contents{}
	many := make([]netip.AddrPort, 100) // so that lengths take more than one byte
	messages := []*eds.Assignment{eds.Encode("a", []eds.Locality{{Hosts: many}}), eds.Encode("b", nil)}
	if err := takeEndpoints(next, messages, nil); err != nil {
		t.Fatal(err)
	}
	table := at.tables[endpointKind]
	wanted := &discoveryv3.DeltaDiscoveryResponse{
		TypeUrl: typeURLs[endpointKind], Nonce: "42", RemovedResources: []string{"c", "d"},
	}
	parts := &scratch{removed: []string{"c", "d"}}
	for _, one := range messages {
		name := one.Name
		message, err := one.Message()
		if err != nil {
			t.Fatal(err)
		}
		table.setLocked(name, next[name])
		parts.resources = append(parts.resources, next[name])
		content, err := anypb.New(message)
		if err != nil {
			t.Fatal(err)
		}
		wanted.Resources = append(wanted.Resources, &discoveryv3.Resource{Name: name, Version: next[name].version, Resource: content})
	}
	wanted.SystemVersionInfo = table.versionLocked()

	for _, round := range []string{"made", "shared"} {
		a := &answer{to: &subscription{kind: endpointKind}, body: table.bodyLocked(parts)}
		a.head.Nonce = "42"
		buffers, err := newCodec().Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		got := &discoveryv3.DeltaDiscoveryResponse{}
		if err := proto.Unmarshal(buffers.Materialize(), got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", round, diff)
		}
		// gRPC consumes the slice that it was given.
		clear(buffers)
	}
	if again := table.bodyLocked(parts); again != table.last {
		t.Error("an equal answer was composed again")
	}
}

func TestTheVersionOfATableIsThatOfItsContent(t *testing.T) {
	t.Parallel()
	one, other := newScope(routeKind).tables[routeKind], newScope(routeKind).tables[routeKind]
	a, b := &resource{version: "1"}, &resource{version: "2"}
	one.setLocked("a", a)
	one.setLocked("b", b)
	other.setLocked("b", a)
	other.setLocked("c", a)
	if one.versionLocked() == other.versionLocked() {
		t.Error("other content has the same version")
	}
	other.setLocked("b", b)
	other.setLocked("c", nil)
	other.setLocked("a", a)
	if one.versionLocked() != other.versionLocked() {
		t.Error("equal content has another version")
	}
	if len(other.records) != 2 {
		t.Errorf("%d records, want those with content only", len(other.records))
	}
}

// TestNothingIsKeptOfStreamsThatAreGone: names that only a closed stream asked for
// leave no trace.
func TestNothingIsKeptOfStreamsThatAreGone(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	s := &session{publisher: p, member: "east"}
	p.open(s)
	at := p.memberScope("east")
	u := newSubscription(s, at, routeKind)
	s.subscriptions[routeKind] = u
	request := &discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{"*", "a", "b"}}
	if err := u.updateLocked(request, true, true); err != nil {
		t.Fatal(err)
	}
	if len(u.table.records) != 2 || len(u.table.wildcards) != 1 {
		t.Fatalf("subscribed: %+v", u.table)
	}
	p.close(s)
	if len(u.table.records) != 0 || len(u.table.wildcards) != 0 || len(p.sessions) != 0 {
		t.Errorf("%d records, %d wildcards and %d sessions are left", len(u.table.records), len(u.table.wildcards), len(p.sessions))
	}
}
