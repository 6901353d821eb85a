package fakeapi

import (
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// event is one of a watch.
type event struct {
	kind   string
	object metav1.Object
	raw    []byte // instead of an event
}

// watcher is one watch. Objects of which the selected labels change are not told of as
// if they had come or gone.
type watcher struct {
	path   string
	filter filter
	// protobuf says in what it is told; encoded is told so.
	protobuf bool
	encoded  chan []byte
}

// queue is how much a watch may be behind.
const queue = 8192

func (w *watcher) tell(what event) {
	if what.raw == nil {
		what.raw = eventOf(w.path, what, w.protobuf)
	}
	w.encoded <- what.raw
}

// tellLocked tells the watchers of a path. What they are told is encoded now: the
// object may be another one later.
func (f *Server) tellLocked(path string, what event) {
	for one := range f.watchers {
		if one.path == path && !f.Silent && (what.object == nil || what.kind == bookmark || one.filter.takes(what.object)) {
			one.tell(what)
		}
	}
}

// Say sends raw bytes to the watchers of a path; none at all end their watch.
func (f *Server) Say(path string, raw []byte) {
	if raw == nil {
		raw = []byte{}
	}
	f.Do(func() { f.tellLocked(path, event{raw: raw}) })
}

func (f *Server) watch(w http.ResponseWriter, r *http.Request, to target) {
	filter, err := filterOf(to, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest")
		return
	}
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	initial := r.URL.Query().Get("sendInitialEvents") == "true"
	one := &watcher{path: to.path, filter: filter, protobuf: inProtobuf(w, r, to.path), encoded: make(chan []byte, queue)}
	f.mu.Lock()
	if !initial && since < f.oldest {
		f.mu.Unlock()
		refuse(w, http.StatusGone, "Expired")
		return
	}
	f.beginLocked(one, initial, since)
	f.watchers[one] = struct{}{}
	f.mu.Unlock()
	defer f.Do(func() { delete(f.watchers, one) })
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case raw := <-one.encoded:
			if len(raw) == 0 {
				return
			}
			_, _ = w.Write(raw)
			_ = flush.Flush()
		}
	}
}

// beginLocked tells what there is, or what changed since a revision.
func (f *Server) beginLocked(one *watcher, initial bool, since int) {
	if initial {
		for _, object := range f.allLocked(one.path, one.filter.takes) {
			one.tell(event{kind: "ADDED", object: object})
		}
		one.tell(event{kind: bookmark, object: f.bookmarkLocked(one.path, true)})
		return
	}
	after := func(object metav1.Object) bool {
		version, _ := strconv.Atoi(object.GetResourceVersion())
		return version > since && one.filter.takes(object)
	}
	for _, object := range f.gone[one.path] {
		if _, again := f.Objects[one.path][Key(object)]; !again && after(object) {
			one.tell(event{kind: "DELETED", object: object})
		}
	}
	for _, object := range f.allLocked(one.path, after) {
		one.tell(event{kind: "MODIFIED", object: object})
	}
}

const bookmark = "BOOKMARK"

func (f *Server) bookmarkLocked(path string, end bool) metav1.Object {
	one := newOf(path)
	one.SetResourceVersion(strconv.Itoa(f.Revision))
	if end {
		one.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	return one
}

// Bookmark sends one to all watchers.
func (f *Server) Bookmark() {
	f.Do(func() {
		for path := range f.Objects {
			f.tellLocked(path, event{kind: bookmark, object: f.bookmarkLocked(path, false)})
		}
	})
}
