package dirty

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// taken is what a set had: * is everything.
func taken(s *Set[string]) string {
	keys, all := s.Take()
	text := strings.Join(slices.Sorted(maps.Keys(keys)), " ")
	if all {
		return "*" + text
	}
	return text
}

// TestSet says what is taken after what was done.
func TestSet(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		do   func(*Set[string])
		want []string
	}{
		"everything is new":                 {func(*Set[string]) {}, []string{"*", ""}},
		"everything has no keys":            {func(s *Set[string]) { s.Add("a") }, []string{"*", ""}},
		"what is added, once":               {func(s *Set[string]) { s.Take(); s.Add("b", "a"); s.Add("a") }, []string{"a b", ""}},
		"everything takes the place of all": {func(s *Set[string]) { s.Take(); s.Add("a"); s.AddAll() }, []string{"*", ""}},
		"nothing is nothing":                {func(s *Set[string]) { s.Take(); s.Add() }, []string{""}},
		"what failed waits":                 {func(s *Set[string]) { s.Take(); s.Fail("a", broken) }, []string{""}},
		"what failed comes with a retry":    {func(s *Set[string]) { s.Take(); s.Fail("a", broken); s.Add("b"); s.Retry() }, []string{"a b", ""}},
		"what was taken failed no more": {func(s *Set[string]) {
			s.Take()
			s.Fail("a", broken)
			s.Add("a")
			s.Take()
			s.Retry()
		}, []string{""}},
		"what was taken with all failed no more": {func(s *Set[string]) {
			s.Take()
			s.Fail("a", broken)
			s.AddAll()
			s.Take()
			s.Retry()
		}, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := New[string](make(chan struct{}, 1))
			tc.do(set)
			for _, want := range tc.want {
				if got := taken(set); got != want {
					t.Errorf("took %q, want %q", got, want)
				}
			}
		})
	}
}

// TestWakes: whoever waits is told of what comes, and not of failures, which are his.
func TestWakes(t *testing.T) {
	t.Parallel()
	set := New[string](make(chan struct{}, 1))
	woken := func() bool {
		select {
		case <-set.Wake():
			return true
		default:
			return false
		}
	}
	set.Take()
	for name, do := range map[string]func(){
		"a key":      func() { set.Add("a"); set.Add("b") },
		"everything": set.AddAll,
		"nothing":    func() { set.Add() },
	} {
		if do(); !woken() || woken() {
			t.Errorf("%s: not woken once", name)
		}
	}
	set.Take()
	if set.Fail("a", errors.New("broken")); woken() || len(set.Failures()) != 1 {
		t.Error("woken by a failure, or it is not known")
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	a := map[string]int{"same": 1, "other": 1, "gone": 1}
	b := map[string]int{"same": 1, "other": 2, "new": 0}
	for _, got := range [][]string{slices.Sorted(Between(a, b)), slices.Sorted(Between(b, a))} {
		if want := []string{"gone", "new", "other"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for range Between(a, b) {
		break // and nothing more is yielded, which would panic
	}
	if same := slices.Collect(Between(a, a)); same != nil {
		t.Errorf("between one map and itself: %v", same)
	}
}
