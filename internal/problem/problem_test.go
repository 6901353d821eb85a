package problem

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestError(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp: refused")
	for name, tc := range map[string]struct {
		problem *Error
		want    string
	}{
		"a message alone":  {New(Input, "", "name %q is taken", "east"), `name "east" is taken`},
		"with its code":    {New(Input, "NoClusters", "no cluster is named"), "NoClusters: no cluster is named"},
		"with all it has":  {New(Cluster, "Unreachable", "it does not answer").On("east").About("Secret a/b").Because(cause), "cluster east: Unreachable: it does not answer (Secret a/b): dial tcp: refused"},
		"without its fix":  {New(Input, "", "x").WithFix("say %s", "--yes"), "x"},
		"percent in words": {New(Input, "", "%s", "100%d"), "100%d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.problem.Error(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	wrapped := New(Cluster, "", "x").Because(cause)
	if !errors.Is(wrapped, cause) {
		t.Error("the cause is lost")
	}
	if New(Input, "", "x").WithFix("say %s", "--yes").Fix != "say --yes" {
		t.Error("the fix is not formatted")
	}
}

// TestAll looks through everything that wraps: fan-out joins, and joins within
// joins.
func TestAll(t *testing.T) {
	t.Parallel()
	a, b := New(Input, "A", "a"), New(Refused, "B", "b")
	plain := errors.New("plain")
	for name, tc := range map[string]struct {
		err  error
		want []string // kind and text
	}{
		"nothing":                         {nil, nil},
		"a problem":                       {a, []string{"1 A: a"}},
		"a wrapped one":                   {fmt.Errorf("while: %w", a), []string{"1 A: a"}},
		"wrapped twice":                   {fmt.Errorf("x: %w", fmt.Errorf("y: %w", a)), []string{"1 A: a"}},
		"joined, in order":                {errors.Join(b, a), []string{"3 B: b", "1 A: a"}},
		"joins within joins":              {errors.Join(a, errors.Join(nil, fmt.Errorf("x: %w", errors.Join(b, plain)))), []string{"1 A: a", "3 B: b", "0 plain"}},
		"two verbs":                       {fmt.Errorf("%w and %w", a, b), []string{"1 A: a", "3 B: b"}},
		"a cause that is a problem":       {New(Cluster, "C", "c").Because(a), []string{"2 C: c: A: a"}},
		"what nobody classified is a bug": {plain, []string{"0 plain"}},
		"with the words around it":        {fmt.Errorf("while: %w", plain), []string{"0 while: plain"}},
		"a deadline":                      {fmt.Errorf("get: %w", context.DeadlineExceeded), []string{"5 get: context deadline exceeded"}},
		"an interrupt":                    {context.Canceled, []string{"5 context canceled"}},
		"a deadline inside a problem":     {New(Cluster, "C", "c").Because(context.DeadlineExceeded), []string{"2 C: c: context deadline exceeded"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, one := range All(tc.err) {
				got = append(got, fmt.Sprintf("%d %v", one.Kind, one))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestExitCode holds every kind to its code, and several to the first of
// 1, 6, 2, 4, 3, 5.
func TestExitCode(t *testing.T) {
	t.Parallel()
	of := func(kinds ...Kind) error {
		var all []error
		for _, kind := range kinds {
			all = append(all, New(kind, "", "x"))
		}
		return errors.Join(all...)
	}
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"nothing":                 {nil, 0},
		"a join of nothing":       {errors.Join(nil, nil), 0},
		"a bug":                   {of(Bug), 1},
		"input":                   {of(Input), 2},
		"a cluster":               {of(Cluster), 3},
		"refused":                 {of(Refused), 4},
		"unverified":              {of(Unverified), 5},
		"a deadline":              {of(Deadline), 6},
		"nobody classified it":    {errors.New("x"), 1},
		"the zero problem":        {&Error{}, 1},
		"a kind that is none":     {&Error{Kind: 99}, 1},
		"wrapped":                 {fmt.Errorf("x: %w", of(Refused)), 4},
		"a bug beats all":         {of(Deadline, Input, Refused, Cluster, Unverified, Bug), 1},
		"then a deadline":         {of(Unverified, Cluster, Refused, Input, Deadline), 6},
		"then input":              {of(Unverified, Cluster, Refused, Input), 2},
		"then refused":            {of(Unverified, Cluster, Refused), 4},
		"then a cluster":          {of(Unverified, Cluster), 3},
		"a cause has no say":      {New(Cluster, "", "x").Because(of(Refused)), 3},
		"with what is no problem": {errors.Join(of(Input), errors.New("x")), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ExitCode(tc.err); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

// TestOrderOfProblemsHasNoSay shuffles what is joined.
func TestOrderOfProblemsHasNoSay(t *testing.T) {
	t.Parallel()
	kinds := []Kind{Deadline, Input, Refused, Cluster, Unverified}
	for count := 1; count <= len(kinds); count++ {
		some := slices.Clone(kinds[len(kinds)-count:])
		want := exitCodes[some[0]]
		for range 10 {
			rand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
			var all []error
			for _, kind := range some {
				all = append(all, New(kind, "", "x"))
			}
			if got := ExitCode(errors.Join(all...)); got != want {
				t.Fatalf("%v: got %d, want %d", some, got, want)
			}
		}
	}
}
