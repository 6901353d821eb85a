package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubewatch "k8s.io/apimachinery/pkg/watch"
)

// pageSize is how many objects a page of a list has.
const pageSize = 500

// watch opens one watch and reads it to its end.
func (s *stream) watch(ctx context.Context) error {
	timing := s.session.timing
	if s.version == "" && s.lists {
		if err := s.list(ctx); err != nil {
			return err
		}
	}
	query := s.query()
	query.Set("watch", "1")
	query.Set("allowWatchBookmarks", "true")
	// As client-go does it: so that watches of many clients do not end at once.
	const most = 30 * 60
	query.Set("timeoutSeconds", strconv.Itoa(most+rand.IntN(most)))
	if s.version == "" {
		query.Set("sendInitialEvents", "true")
		query.Set("resourceVersionMatch", string(metav1.ResourceVersionMatchNotOlderThan))
	} else {
		query.Set("resourceVersion", s.version)
	}
	answer, err := s.session.client.get(ctx, s.paths[s.at], query, s.accept, timing.idle)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // what matters was read
	from := s.events(answer)
	if s.version == "" {
		deadline := time.AfterFunc(timing.initial, func() { answer.cancel(errStalled) })
		err := s.gather(from)
		deadline.Stop()
		if err != nil {
			return err
		}
	}
	s.established()
	return s.follow(ctx, answer, from)
}

func (s *stream) query() url.Values {
	query := url.Values{}
	if s.fields != "" {
		query.Set("fieldSelector", s.fields)
	}
	if s.labels != "" {
		query.Set("labelSelector", s.labels)
	}
	return query
}

// gather reads the list that a watch begins with. Its end is marked by a
// bookmark.
func (s *stream) gather(from events) error {
	all := newListing(s.session)
	for {
		kind, one, err := s.next(from)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: the list has no end", errGarbled)
			}
			return err
		}
		switch kind {
		case kubewatch.Bookmark:
			if one.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
				return s.replace(all, one.GetResourceVersion())
			}
		case kubewatch.Deleted:
			all.remove(idOf(one))
		default:
			all.add(s.pack(one))
		}
	}
}

// list reads all pages.
func (s *stream) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.session.timing.initial)
	defer cancel()
	all := newListing(s.session)
	query := s.query()
	query.Set("limit", strconv.Itoa(pageSize))
	for {
		meta, err := s.page(ctx, query, all)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return fmt.Errorf("%w: the list has no end", errStalled)
		case err != nil:
			return err
		}
		if meta.Continue == "" {
			return s.replace(all, meta.ResourceVersion)
		}
		query.Set("continue", meta.Continue)
	}
}

func (s *stream) page(ctx context.Context, query url.Values, into *listing) (metav1.ListMeta, error) {
	answer, err := s.session.client.get(ctx, s.paths[s.at], query, s.acceptList, s.session.timing.idle)
	if err != nil {
		return metav1.ListMeta{}, err
	}
	defer answer.Close() //nolint:errcheck // what matters was read
	content, err := readAll(answer, maxPage)
	if err != nil {
		return metav1.ListMeta{}, err
	}
	return s.decodeList(content, func(one metav1.Object) { into.add(s.pack(one)) })
}

func (s *stream) replace(all *listing, version string) error {
	if !s.session.replace(s, all, version, s.confirmed) {
		s.broke(&Fault{Reason: ListHeld, Message: "most endpoints are missing in a new list; it is asked for again before it is believed"})
		return errHeld
	}
	s.version, s.confirmed = version, false
	return nil
}

// follow applies events until the watch ends. Each must be there in time as a whole:
// one whose bytes trickle is as silent as none.
func (s *stream) follow(ctx context.Context, answer *body, from events) error {
	for {
		answer.within(s.session.timing.stall)
		kind, one, err := s.next(from)
		if err != nil {
			return err
		}
		s.version = one.GetResourceVersion()
		switch kind {
		case kubewatch.Bookmark:
			s.session.heardUpTo(s, s.version)
		case kubewatch.Deleted:
			s.session.remove(s, idOf(one), s.version)
		default:
			s.session.put(s, s.pack(one), s.version)
		}
		if err := s.session.limiter.Wait(ctx); err != nil {
			return err
		}
	}
}

// next reads and decodes one event. An event that says what is wrong is an error.
func (s *stream) next(from events) (kubewatch.EventType, metav1.Object, error) {
	var event metav1.WatchEvent
	if err := from.next(&event); err != nil {
		return "", nil, err
	}
	kind := kubewatch.EventType(event.Type)
	switch kind {
	case kubewatch.Added, kubewatch.Modified, kubewatch.Deleted, kubewatch.Bookmark:
		one, err := s.decode(event.Object.Raw)
		return kind, one, err
	case kubewatch.Error:
		var status metav1.Status
		if err := s.status(event.Object.Raw, &status); err != nil {
			return "", nil, err
		}
		return "", nil, &Fault{Reason: ServerError, Message: fmt.Sprintf("%.200q", s.session.client.secrets.Replace(status.Message)), status: int(status.Code)}
	}
	return "", nil, fmt.Errorf("%w: an event of type %.20q", errGarbled, event.Type)
}
