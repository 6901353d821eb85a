package discovery

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// storedLock is a lock whose store takes what it is given.
type storedLock struct {
	resourcelock.Interface
	fails error
}

func (l *storedLock) Identity() string { return "us" }

func (l *storedLock) Create(context.Context, resourcelock.LeaderElectionRecord) error { return l.fails }

func (l *storedLock) Update(context.Context, resourcelock.LeaderElectionRecord) error { return l.fails }

func TestATermEndsWithItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, term := &storedLock{}, &tenure{}
		lock := term.renewedBy(store)
		ours, released := resourcelock.LeaderElectionRecord{HolderIdentity: "us"}, resourcelock.LeaderElectionRecord{}
		want := func(when string, holds bool) {
			t.Helper()
			if term.holds() != holds {
				t.Errorf("%s: %v", when, !holds)
			}
		}
		want("before the first lease", false)
		_ = lock.Create(t.Context(), ours)
		want("with a new lease", true)
		time.Sleep(renewDeadline - time.Second)
		want("before it must be renewed", true)
		_ = lock.Update(t.Context(), ours)
		time.Sleep(renewDeadline - time.Second)
		want("renewed", true)
		store.fails = errors.New("it is somebody else's")
		_ = lock.Update(t.Context(), ours)
		time.Sleep(time.Second)
		want("not renewed in time, as after a pause", false)
		store.fails = nil
		_ = lock.Update(t.Context(), ours)
		want("taken again", true)
		_ = lock.Update(t.Context(), released)
		want("given back", false)
	})
}

// TestChangesNeedALease asks for every kind of request with a lease and without.
func TestChangesNeedALease(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen[r.Method]++ }))
	t.Cleanup(server.Close)
	term := &tenure{}
	client, err := rest.HTTPClientFor(term.guard(&rest.Config{Host: server.URL}))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method string) error {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err == nil {
			err = answer.Body.Close()
		}
		return err
	}
	changes := []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	for _, method := range changes {
		if err := ask(method); !errors.Is(err, errNoLease) || seen[method] != 0 {
			t.Errorf("%s without a lease: %v, seen %d", method, err, seen[method])
		}
	}
	if err := ask(http.MethodGet); err != nil {
		t.Errorf("GET without a lease: %v", err)
	}
	now := time.Now()
	term.renewed.Store(&now)
	for _, method := range changes {
		if err := ask(method); err != nil || seen[method] != 1 {
			t.Errorf("%s with a lease: %v, seen %d", method, err, seen[method])
		}
	}
}
