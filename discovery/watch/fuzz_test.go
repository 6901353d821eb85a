package watch

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/preference"
)

// FuzzExport holds whatever a server may send as a ServiceExport, its annotations among
// it, to the rules on what passes.
func FuzzExport(f *testing.F) {
	plain := kubeExport("shop", "cart")
	wishes := kubeExport("shop", "cart")
	wishes.Annotations = map[string]string{
		"eastwest.dev/incumbent": "west", "eastwest.dev/prefer": "own,region", "eastwest.dev/weight": "3",
	}
	wishes.Spec.ExportedLabels = map[string]string{"team": "a", "eastwest.dev/x": "y", "bad key": "z"}
	wrong := kubeExport("shop", "cart")
	wrong.Annotations = map[string]string{
		"eastwest.dev/incumbent": "We.st", "eastwest.dev/prefer": "far", "eastwest.dev/weight": "-1",
	}
	for _, seed := range []*serviceExport{plain, wishes, wrong, {}} {
		raw, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{"kind":"ServiceExport","metadata":{"annotations":{"eastwest.dev/weight":"4294967296"},"creationTimestamp":"9999-12-31T23:59:59Z"}}`))
	resource := watched(&policy{})[ofExports]
	f.Fuzz(func(t *testing.T, raw []byte) {
		decoded, err := resource.decode(raw)
		if err != nil {
			return
		}
		got := resource.pack(decoded)
		if len(got.drops) > maxDrops+1 {
			t.Errorf("%d drops", len(got.drops))
		}
		if got.export != nil {
			checkExport(t, got)
		}
		table := newTable()
		table.put(ofExports, got)
		table.put(ofExports, got)
		table.remove(ofExports, got.id)
		if table.bytes != 0 || len(table.exports) != 0 {
			t.Errorf("something is left: %+v", table)
		}
	})
}

// checkExport wants of an export that it can stand in objects of other clusters.
func checkExport(t *testing.T, got object) {
	t.Helper()
	one := got.export
	if !validNames(got.key) {
		t.Errorf("name %q", got.key)
	}
	if one.incumbent != "" && identity.CheckName(string(one.incumbent)) != nil {
		t.Errorf("incumbent %q", one.incumbent)
	}
	if plain, err := preference.Parse(string(one.prefer)); err != nil || plain != string(one.prefer) {
		t.Errorf("preference %q", one.prefer)
	}
	if len(one.flaw) > 1000 {
		t.Errorf("a flaw of %d bytes", len(one.flaw))
	}
	if one.share.Weight > math.MaxUint32-1 && one.share.Drained || sizeOfMap(one.labels)+sizeOfMap(one.annotations) > 2*maxMetadata {
		t.Errorf("share %+v, %d bytes of metadata", one.share, sizeOfMap(one.labels)+sizeOfMap(one.annotations))
	}
	for key, value := range one.labels {
		if len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0 || reserved[strings.SplitN(key, "/", 2)[0]] {
			t.Errorf("label %q=%q", key, value)
		}
	}
}

// FuzzService holds whatever a server may send as a Service to the rules on what passes.
func FuzzService(f *testing.F) {
	headless := kubeService("shop", "cart")
	headless.Spec.ClusterIP = corev1.ClusterIPNone
	outside := kubeService("shop", "cart")
	outside.Spec.Type = corev1.ServiceTypeExternalName
	twice := kubeService("shop", "cart", corev1.ServicePort{Name: "a", Port: 80}, corev1.ServicePort{Name: "a", Port: -1})
	for _, seed := range []*corev1.Service{kubeService("shop", "cart"), headless, outside, twice, {}} {
		f.Add(fakeapi.Envelope("Service", seed))
	}
	resource := watched(&policy{})[ofServices]
	f.Fuzz(func(t *testing.T, raw []byte) {
		decoded, err := resource.decode(raw)
		if err != nil {
			return
		}
		got := resource.pack(decoded)
		if len(got.drops) > maxDrops+1 {
			t.Errorf("%d drops", len(got.drops))
		}
		if got.service == nil {
			return
		}
		if !validNames(got.key) {
			t.Errorf("name %q", got.key)
		}
		names := map[string]bool{}
		for _, port := range got.service.ports {
			if port.Number == 0 || strings.ContainsAny(port.Name, "._*\n") || names[port.Name] {
				t.Errorf("port %+v", port)
			}
			names[port.Name] = true
		}
		for _, family := range got.service.traits.Families {
			if family != model.IPv4 && family != model.IPv6 {
				t.Errorf("family %q", family)
			}
		}
	})
}

// FuzzDocuments reads whatever a server may send as a watch in JSON: it ends, with an
// error that has a reason, and no event is larger than allowed.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(`{"type":"ADDED","object":{"kind":"ServiceExport","metadata":{"name":"a"}}}` + "\n" + `{"type":"BOOKMARK"`))
	f.Add([]byte(`[[[[`))
	f.Add([]byte(`{"type":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		from := jsonWire.events(strings.NewReader(string(raw)))
		for count := 0; ; count++ {
			var event metav1.WatchEvent
			if from.next(&event) != nil {
				return
			}
			if len(event.Object.Raw) > maxObject || count > len(raw) {
				t.Fatalf("event %d has %d bytes", count, len(event.Object.Raw))
			}
		}
	})
}
