package watch

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/fakeapi"
	"github.com/eastwest-mesh/eastwest/internal/testapi"
)

// hostile answers the first list of slices by a function and everything else as usual.
// The server lists in pages.
func hostile(api *fakeapi.Server, answer func(w http.ResponseWriter, r *http.Request)) {
	var answered atomic.Bool
	api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path != fakeapi.SlicePath:
			return false
		case r.URL.Query().Get("sendInitialEvents") != "":
			w.WriteHeader(http.StatusUnprocessableEntity)
			return true
		case r.URL.Query().Get("limit") == "" || answered.Swap(true):
			return false
		}
		w.Header().Set("Content-Type", acceptObjects)
		answer(w, r)
		return true
	}
}

// pour writes until it is done or nobody takes more, and says how much was taken.
func pour(to io.Writer, most int) (taken int) {
	block := bytes.Repeat([]byte{0x12, 0}, 1<<19) // empty objects of a list
	for taken < most {
		n, err := to.Write(block)
		if taken += n; err != nil {
			break
		}
	}
	return taken
}

// empties is a page of that many bytes, all of them empty objects.
func empties(size int) []byte { return emptiesOf("EndpointSliceList", size) }

func emptiesOf(kind string, size int) []byte {
	return fakeapi.Envelope(kind, rawMessage(bytes.Repeat([]byte{0x12, 0}, size/2)))
}

type rawMessage []byte

func (m rawMessage) Marshal() ([]byte, error) { return m, nil }

// keyed is a slice with that many labels.
func keyed(keys int) *discoveryv1.EndpointSlice {
	one := kubeSlice("shop", "cart-9", "cart", 1)
	for i := range keys {
		one.Labels[fmt.Sprintf("%x", i)] = ""
	}
	return one
}

// TestHostileBodies is H06: what a member says without end or beyond all measure ends
// its connection and is shown, and when it speaks properly again it is heard.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	const tenGB = 10 << 30
	var taken atomic.Int64
	page := func(raw []byte) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(raw) }
	}
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		reason Reason
		// takes is how long it may take to be noticed.
		takes time.Duration
	}{
		"a body of 10 GB": {func(w http.ResponseWriter, _ *http.Request) {
			taken.Store(int64(pour(w, tenGB)))
		}, TooLarge, 0},
		"a gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			bomb := gzip.NewWriter(w)
			pour(bomb, 128<<20)
			_ = bomb.Close()
		}, TooLarge, 0},
		"an object over 3 MiB in a page": {page(fakeapi.Envelope("EndpointSliceList", &discoveryv1.EndpointSliceList{
			Items: []discoveryv1.EndpointSlice{{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("x", maxObject+1)}}},
		})), TooLarge, 0},
		"an object of 1,000,000 keys": {page(fakeapi.Envelope("EndpointSliceList", &discoveryv1.EndpointSliceList{
			Items: []discoveryv1.EndpointSlice{*keyed(1_000_000)},
		})), TooLarge, 0},
		"an object of 250,000 keys, which is not over 3 MiB": {page(fakeapi.Envelope("EndpointSliceList", &discoveryv1.EndpointSliceList{
			Items: []discoveryv1.EndpointSlice{*keyed(250_000)},
		})), TooLarge, 0},
		"more objects than a page can have": {page(empties(1 << 20)), TooLarge, 0},
		"a body of a byte in a second": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte{0x12}); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second) // of the bubble's clock
			}
		}, Stalled, defaultTiming.initial},
		"an error of a byte in a second": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte{'x'}); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}, ServerError, defaultTiming.idle},
		"silence": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, Stalled, defaultTiming.idle},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				began := time.Now()
				r := newRig(t, func(api *fakeapi.Server, _ *Options) {
					shop(api, 3)
					hostile(api, tc.answer)
				})
				// Every step is shorter than the pause before the next attempt may be long.
				var found *Fault
				for found == nil && time.Since(began) <= tc.takes+2*time.Second {
					found = r.faultOf("endpointslices.discovery.k8s.io")
					after(time.Millisecond)
				}
				if found == nil || found.Reason != tc.reason {
					t.Fatalf("got %v, want %s", found, tc.reason)
				}
				r.live(time.Minute)
				r.want(t, "ready shop/cart=3")
			})
		})
	}
	t.Cleanup(func() {
		if got := taken.Load(); got > 2*maxPage {
			t.Errorf("%d bytes were taken of 10 GB", got)
		}
	})
}

// faultOf is what is wrong with a resource at the moment.
func (r *rig) faultOf(resource string) *Fault {
	for _, one := range r.cluster.Status().Faults {
		if one.Resource == resource {
			return &one
		}
	}
	return nil
}

// TestPagesWithoutEnd is H06: every page says that there is one more.
func TestPagesWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const most = 20_000 // about as much as comes in twenty seconds
		var endless atomic.Bool
		endless.Store(true)
		r := newRig(t, func(api *fakeapi.Server, o *Options) {
			shop(api, 3)
			o.Limits.Bytes = most
			var pages atomic.Int64
			api.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != fakeapi.SlicePath {
					return false
				}
				if !endless.Load() {
					if r.URL.Query().Get("continue") == "" {
						return false
					}
					w.WriteHeader(http.StatusGone)
					return true
				}
				if r.URL.Query().Get("sendInitialEvents") != "" {
					w.WriteHeader(http.StatusUnprocessableEntity)
					return true
				}
				time.Sleep(time.Second) // of the bubble's clock
				count := pages.Add(1)
				list := &discoveryv1.EndpointSliceList{ListMeta: metav1.ListMeta{ResourceVersion: "1", Continue: fmt.Sprint(count)}}
				list.Items = append(list.Items, *kubeSlice("shop", fmt.Sprint("endless-", count), "cart", 100))
				w.Header().Set("Content-Type", acceptObjects)
				_, _ = w.Write(fakeapi.Envelope("EndpointSliceList", list))
				return true
			}
		})
		after(defaultTiming.initial + time.Second)
		r.want(t, "joining")
		r.hasFault(t, Stalled, "endpointslices.discovery.k8s.io", "")
		if kept := r.cluster.Status().Counts.Bytes; kept > most {
			t.Errorf("%d bytes are kept", kept)
		}
		endless.Store(false)
		r.live(time.Minute)
		r.want(t, "ready shop/cart=3")
	})
}

// TestAnEventThatTrickles is a neighbour of H06 and F22: bytes come all the time, and
// yet no event is ever whole.
func TestAnEventThatTrickles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, func(api *fakeapi.Server, _ *Options) { shop(api, 3) })
		r.want(t, "ready shop/cart=3")
		r.Say(fakeapi.SlicePath, []byte{0, 0x20, 0, 0})
		for range 179 {
			r.Say(fakeapi.SlicePath, []byte{0})
			after(time.Second)
		}
		r.want(t, "ready shop/cart=3")
		r.Put(kubeSlice("shop", "cart-2", "cart", 1)) // disappears in what trickles
		r.Say(fakeapi.SlicePath, []byte{0})
		after(time.Second)
		r.want(t, "degraded shop/cart=3")
		r.hasFault(t, Stalled, "endpointslices.discovery.k8s.io", "")
		after(6 * time.Second)
		r.want(t, "ready shop/cart=4")
	})
}

// TestPagesAreReadPieceByPiece: a page of 16 MiB may be 8,000,000 empty objects, which
// would be gigabytes if all of them were decoded. It is not parallel: it looks at what
// the whole process allocates.
func TestPagesAreReadPieceByPiece(t *testing.T) {
	const size = 16 << 20
	document := []byte(`{"kind":"ServiceExportList","items":[` + strings.Repeat("{},", size/3) + `{}]}`)
	endpoints := kubeSlice("shop", "cart-1", "cart", 0)
	whole, err := endpoints.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	whole = append(whole, bytes.Repeat([]byte{0x12, 0}, (maxObject-len(whole)-100)/2)...) // empty endpoints
	resources := watched(&policy{})
	for name, read := range map[string]func() error{
		"a page of slices": func() error {
			_, err := resources[ofSlices].decodeList(empties(size), func(metav1.Object) {})
			return err
		},
		"a page of services": func() error {
			_, err := resources[ofServices].decodeList(emptiesOf("ServiceList", size), func(metav1.Object) {})
			return err
		},
		"a page of metadata": func() error {
			_, err := resources[ofGKEExports].decodeList(emptiesOf("PartialObjectMetadataList", size), func(metav1.Object) {})
			return err
		},
		"a page of exports in JSON": func() error {
			_, err := resources[ofExports].decodeList(document, func(metav1.Object) {})
			return err
		},
		"one slice of empty endpoints": func() error {
			_, err := resources[ofSlices].decode(fakeapi.Envelope("EndpointSlice", rawMessage(whole)))
			return err
		},
		"one export of empty owners": func() error {
			_, err := resources[ofExports].decode([]byte(`{"kind":"ServiceExport","metadata":{"ownerReferences":[` + strings.Repeat("{},", maxObject/3-100) + `{}]}}`))
			return err
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, errTooLarge) {
			t.Errorf("%s: got %v", name, err)
		}
		// The page itself is made here and copied twice.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 160<<20 {
			t.Errorf("%s: %d MiB were allocated", name, grown>>20)
		}
	}
}

// TestDeniedNamespacesOfARealAPIServer is H01: of kube-system nothing is even sent, and
// default/kubernetes, which every cluster has, is taken by no rule.
func TestDeniedNamespacesOfARealAPIServer(t *testing.T) {
	t.Parallel()
	system, kubernetes := model.ServiceKey{Namespace: kubeSystem, Name: "kube-dns"}, model.ServiceKey{Namespace: "default", Name: "kubernetes"}
	r := newRealRig(t, testapi.Config(t), defaultTiming, func(o *Options) {
		o.Record.Namespaces.Allow = nil
		for _, key := range []model.ServiceKey{system, kubernetes} {
			o.Exports = append(o.Exports, v1alpha1.ExportRule{Namespace: key.Namespace, Name: key.Name})
		}
	})
	dns := kubeService(system.Namespace, system.Name)
	dns.Spec.ClusterIP = ""
	if _, err := r.kube.CoreV1().Services(kubeSystem).Create(t.Context(), dns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.kube.DiscoveryV1().EndpointSlices(kubeSystem).Create(t.Context(), kubeSlice(kubeSystem, "kube-dns-1", "kube-dns", 2), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.shop(t, 3) // comes later, so whatever came before has been seen
	r.untilEndpoints(t, "cart", 3)
	for offer := range r.last().Services.All() {
		key := offer.Key
		if key.Namespace == kubeSystem || key == kubernetes {
			t.Errorf("%v is offered", key)
		}
	}
	if got := r.cluster.Explain(system); got.Service || got.Slices > 0 {
		t.Errorf("the server sent of kube-system: %+v", got)
	}
	got := r.cluster.Explain(kubernetes)
	if !got.Service || got.Offered > 0 || got.Problem == nil || got.Problem.Reason != ProblemNamespaceDenied || !got.Problem.Withheld {
		t.Errorf("default/kubernetes: %+v", got)
	}
}

// FuzzPages reads a page of every resource out of anything: it is read or refused.
func FuzzPages(f *testing.F) {
	f.Add(empties(64))
	f.Add(fakeapi.Envelope("EndpointSliceList", &discoveryv1.EndpointSliceList{Items: []discoveryv1.EndpointSlice{*kubeSlice("shop", "cart-1", "cart", 2)}}))
	f.Add([]byte(`{"kind":"ServiceExportList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"cart"}},null]}`))
	f.Add([]byte(`{"kind":"ServiceExportList","items":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, one := range watched(&policy{}) {
			count := 0
			_, err := one.decodeList(raw, func(object metav1.Object) {
				count++
				one.pack(object)
			})
			if err != nil && !errors.Is(err, errGarbled) && !errors.Is(err, errTooLarge) && !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", one.name, err)
			}
			if count > len(raw) {
				t.Errorf("%s: %d objects of %d bytes", one.name, count, len(raw))
			}
		}
	})
}
