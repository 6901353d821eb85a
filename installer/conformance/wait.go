package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// violation is what was seen and must not be. Any other error means that nothing can
// be told.
type violation struct{ text string }

func (v *violation) Error() string { return v.text }

// violated says what was seen.
func violated(format string, args ...any) error {
	return &violation{fmt.Sprintf(format, args...)}
}

// isViolation reports whether an error tells of something that must not be.
func isViolation(err error) bool {
	var v *violation
	return errors.As(err, &v)
}

// final is an error that no waiting mends.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// eventually looks until there is nothing wrong; after the bound, or where waiting does
// not help, it returns what was last.
func eventually(ctx context.Context, bound time.Duration, look func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var last error
	for {
		err := look(bounded)
		if err == nil {
			return nil
		}
		if hopeless := (final{}); errors.As(err, &hopeless) {
			return err
		}
		// What the end of the wait itself breaks off says nothing.
		if last == nil || bounded.Err() == nil {
			last = err
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%w, still after %s", last, bound)
		case <-time.After(poll):
		}
	}
}

// stays looks all the time for which something must hold.
func stays(ctx context.Context, look func(context.Context) error) error {
	end := time.After(stay)
	for {
		if err := look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end:
			return nil
		case <-time.After(poll):
		}
	}
}

// pause waits until a second export is younger than the first.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(apart):
		return nil
	}
}

// everywhere does something in all clusters at once.
func (s *scene) everywhere(do func(m *Member) error) error { return each(s.members, do) }

// each does something in these clusters at once.
func each(members []*Member, do func(m *Member) error) error {
	errs := make([]error, len(members))
	var group sync.WaitGroup
	for i, m := range members {
		group.Go(func() {
			if err := do(m); err != nil {
				errs[i] = fmt.Errorf("cluster %s: %w", m.Name, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
