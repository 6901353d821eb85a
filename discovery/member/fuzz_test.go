package member

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/identity"
)

// FuzzBundle reads what may stand in a Secret with records. Who joins has a name that is
// one and whole records, a bad entry takes no other member away, and no problem quotes
// a credential.
func FuzzBundle(f *testing.F) {
	const token = "eW91LXNob3VsZC1uZXZlci1zZWUtdGhpcw"
	good := kubeconfigOf(f, "west", token)
	f.Add("west", good, []byte(recordOf("west", "uid: uid-west")))
	f.Add("west", good[:len(good)/2], []byte(recordOf("west")))
	f.Add("west", bytes.ReplaceAll(good, []byte("token:"), []byte("tokenFile:")), []byte(recordOf("west")))
	f.Add("west", bytes.ReplaceAll(good, []byte("token: "), []byte("token: a ")), []byte(recordOf("west")))
	f.Add("east", good, []byte(recordOf("east")))
	f.Add("We.st", good, []byte("apiVersion: eastwest.dev/v1alpha1\nname: We.st\n"))
	f.Add("", []byte{}, []byte{0xff})
	north := map[string][]byte{
		"north" + kubeconfigSuffix: kubeconfigOf(f, "north", "other"), "north" + recordSuffix: []byte(recordOf("north", "uid: uid-north")),
	}
	// North is read once: it is in use already whenever another entry comes.
	before := newRegistry(Options{Own: v1alpha1.MemberRecord{Name: "east", ClusterID: "east", UID: "uid-east"}, Events: newLog()})
	before.update([]bundle{{origin: "b", files: north}})
	f.Fuzz(func(t *testing.T, name string, kubeconfig, record []byte) {
		told, r := newLog(), *before
		r.options.Events, r.joined = told, maps.Clone(before.joined)
		r.update([]bundle{
			{origin: "a", files: map[string][]byte{name + kubeconfigSuffix: kubeconfig, name + recordSuffix: record}},
			{origin: "b", files: north},
		})
		if _, stays := r.joined["north"]; !stays {
			t.Error("north was taken away")
		}
		for joined, one := range r.joined {
			if identity.CheckName(string(joined)) != nil || one.Record.Name != string(joined) || one.Config == nil || joined == "east" {
				t.Errorf("%q joined: %+v", joined, one.Record)
			}
		}
		for _, one := range told.problems {
			if strings.Contains(one.Message, token) || len(one.Message) > 64<<10 {
				t.Errorf("a problem of %d bytes: %.300s", len(one.Message), one.Message)
			}
		}
	})
}
