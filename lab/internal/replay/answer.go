package replay

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
)

// bookmarks is how often a watch is told how far it is, as by a kube-apiserver.
const bookmarks = time.Minute

func (s *Server) get(w http.ResponseWriter, r *http.Request, where place) {
	one := where.get(where.namespace + "/" + where.name)
	if one == nil {
		refuse(w, r, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	as := accepted(r.Header.Get("Accept"))
	w.Header().Set("Content-Type", as.contentType(false))
	_, _ = w.Write(one.bytes(as))
}

func (s *Server) collection(w http.ResponseWriter, r *http.Request, where place) {
	query := r.URL.Query()
	which, err := selected(where.namespace, query.Get("labelSelector"), query.Get("fieldSelector"))
	if err != nil {
		refuse(w, r, http.StatusBadRequest, metav1.StatusReasonBadRequest)
		return
	}
	if watches, _ := strconv.ParseBool(query.Get("watch")); watches {
		s.watch(w, r, where, which)
		return
	}
	s.list(w, r, where, which)
}

// list answers with a page. Where it goes on is the place of the first record that is
// not in it: pages of a list do not see what happens between them, and those of a
// replayed one must not change meanwhile.
func (s *Server) list(w http.ResponseWriter, r *http.Request, where place, which *selection) {
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	from, _ := strconv.Atoi(query.Get("continue"))
	page, next, version := s.read(where.resource, which, from, limit)
	meta := metav1.ListMeta{ResourceVersion: strconv.FormatInt(version, 10)}
	if next > 0 {
		meta.Continue = strconv.Itoa(next)
	}
	as := accepted(r.Header.Get("Accept"))
	list, err := where.listOf(as, page, meta)
	if err == nil {
		var content []byte
		if content, err = as.object(list); err == nil {
			w.Header().Set("Content-Type", as.contentType(false))
			_, _ = w.Write(content)
		}
	}
	if err != nil {
		refuse(w, r, http.StatusInternalServerError, metav1.StatusReasonInternalError)
	}
}

// listOf is a list in the form that is asked for.
func (r *resource) listOf(as encoding, page []*record, meta metav1.ListMeta) (runtime.Object, error) {
	if as.metadata {
		list := &metav1.PartialObjectMetadataList{ListMeta: meta}
		list.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadataList"))
		for _, one := range page {
			list.Items = append(list.Items, *as.form(one.object).(*metav1.PartialObjectMetadata)) //nolint:forcetypeassert // it is what form makes
		}
		return list, nil
	}
	kind := r.kind
	kind.Kind += "List"
	if !scheme.Scheme.Recognizes(kind) {
		empty := &unstructured.UnstructuredList{}
		empty.SetGroupVersionKind(kind)
		empty.SetResourceVersion(meta.ResourceVersion)
		return empty, nil
	}
	list, err := scheme.Scheme.New(kind)
	if err != nil {
		return nil, err
	}
	objects := make([]runtime.Object, 0, len(page))
	for _, one := range page {
		objects = append(objects, one.object)
	}
	return list, fill(list, kind, objects, meta)
}

// watch answers with events, as they come, until the client leaves or its time is over.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, where place, which *selection) {
	query := r.URL.Query()
	as := accepted(r.Header.Get("Accept"))
	out := &sender{w: w, flush: http.NewResponseController(w), as: as}
	w.Header().Set("Content-Type", as.contentType(true))
	version, err := strconv.ParseInt(query.Get("resourceVersion"), 10, 64)
	if begins, _ := strconv.ParseBool(query.Get("sendInitialEvents")); begins || err != nil || version == 0 {
		var page []*record
		page, _, version = s.read(where.resource, which, 0, 0)
		for _, one := range page {
			out.event(watch.Added, one.bytes(as))
		}
		if begins {
			out.bookmark(where.resource, version, true)
		}
	}
	out.flushAll()
	seconds, _ := strconv.Atoi(query.Get("timeoutSeconds"))
	if seconds == 0 {
		seconds = 1800
	}
	end, tick := time.NewTimer(time.Duration(seconds)*time.Second), time.NewTicker(bookmarks)
	defer end.Stop()
	defer tick.Stop()
	for {
		upTo := s.now()
		changes, more, known := where.after(version)
		if !known {
			out.expired()
			return
		}
		for _, one := range changes {
			version = one.version
			if which.matches(one.object) {
				out.event(one.kind, one.bytes(as))
			}
		}
		if len(changes) > 0 {
			out.flushAll()
		}
		version = max(version, upTo) // the log had all there was by then
		select {
		case <-r.Context().Done():
			return
		case <-end.C:
			return
		case <-tick.C:
			out.bookmark(where.resource, version, false)
			out.flushAll()
		case <-more:
		}
	}
}

// sender writes the events of one watch. A client that is gone ends it by its context.
type sender struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	as    encoding
}

func (s *sender) event(kind watch.EventType, object []byte) {
	content, err := s.as.event(string(kind), object)
	if err == nil {
		_, _ = s.w.Write(content)
	}
}

func (s *sender) bookmark(of *resource, version int64, ends bool) {
	object := of.empty(s.as)
	object.SetResourceVersion(strconv.FormatInt(version, 10))
	if ends {
		object.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	content, err := s.as.object(object)
	if err == nil {
		s.event(watch.Bookmark, content)
	}
}

func (s *sender) expired() {
	content, err := s.as.object(statusOf(http.StatusGone, metav1.StatusReasonExpired))
	if err == nil {
		s.event(watch.Error, content)
	}
}

func (s *sender) flushAll() { _ = s.flush.Flush() }

// statusOf is an error as an object.
func statusOf(code int, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: string(reason),
	}
}

func refuse(w http.ResponseWriter, r *http.Request, code int, reason metav1.StatusReason) {
	as := accepted(r.Header.Get("Accept"))
	content, err := as.object(statusOf(code, reason))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", as.contentType(false))
	w.WriteHeader(code)
	_, _ = w.Write(content)
}

func writeJSON(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}
