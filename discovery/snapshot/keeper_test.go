package snapshot

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// running is a Keeper at work.
type running struct {
	*Keeper
	t      *testing.T
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	content *Content
	known   bool
}

// run starts a Keeper. It must be called in a synctest bubble.
func run(t *testing.T, folder string) *running {
	t.Helper()
	r := &running{t: t, wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.Keeper = &Keeper{Folder: folder, Wake: r.wake, Every: 10 * time.Second, Log: slog.New(slog.DiscardHandler), Latest: func() (*Content, bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.content, r.known
	}}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		r.Run(ctx)
	}()
	return r
}

func (r *running) becomes(content *Content) {
	r.mu.Lock()
	r.content, r.known = content, true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	synctest.Wait()
}

func (r *running) stop() {
	r.cancel()
	<-r.done
}

func (r *running) wantFile(endpoints int) {
	r.t.Helper()
	got, err := Load(r.Folder)
	if err != nil {
		r.t.Fatal(err)
	}
	if diff := cmp.Diff(mesh(endpoints), got, equal); diff != "" {
		r.t.Errorf("(-want +got)\n%s", diff)
	}
}

func after(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func TestAChangeIsWrittenAtOnceAndThenNowAndThen(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, folder)
		r.becomes(mesh(1))
		r.wantFile(1)
		for i := range 5 {
			r.becomes(mesh(2 + i))
		}
		r.wantFile(1)
		after(10 * time.Second)
		r.wantFile(6)
		if stats := r.Stats(); stats.Writes != 2 || stats.Failures != 0 || stats.Bytes == 0 || stats.Written.IsZero() {
			t.Errorf("got %+v", stats)
		}
		r.stop()
	})
}

func TestTheLastChangeIsWrittenAtTheEnd(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, folder)
		r.becomes(mesh(1))
		r.becomes(mesh(2))
		r.stop()
		r.wantFile(2)
	})
}

func TestWhatIsEqualIsNotWritten(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := run(t, folder)
		for range 3 {
			r.becomes(mesh(1))
			after(time.Minute)
		}
		r.stop()
		if stats := r.Stats(); stats.Writes != 1 {
			t.Errorf("got %+v", stats)
		}
	})
}

// TestAFileStaysWhileNothingIsKnown is an agent that is stopped before it has
// read who its members are.
func TestAFileStaysWhileNothingIsKnown(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := save(folder, pack(encode(mesh(4)))); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := run(t, folder)
		r.wake <- struct{}{}
		synctest.Wait()
		r.stop()
		r.wantFile(4)
	})
}

// TestAFullDiskKeepsTheOldFile is F30, on a file system of 16 KiB.
func TestAFullDiskKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("mounting needs rights: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := run(t, folder)
		r.becomes(mesh(1))
		r.wantFile(1)
		after(time.Minute)
		r.becomes(mesh(3_000))
		r.wantFile(1)
		if stats := r.Stats(); stats.Failures != 1 || stats.Failed == nil {
			t.Errorf("got %+v", stats)
		}
		if names := namesIn(t, folder); !cmp.Equal(names, []string{Name}) {
			t.Errorf("the folder holds %q", names)
		}
		// Somebody makes room; nothing else changes.
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT, "size=4m"); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		r.wantFile(3_000)
		if stats := r.Stats(); stats.Writes != 2 || stats.Failed != nil {
			t.Errorf("got %+v", stats)
		}
		r.stop()
	})
}

func TestAFolderThatIsAFileIsAFailure(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := run(t, folder)
		r.becomes(mesh(1))
		r.stop()
		if stats := r.Stats(); stats.Writes != 0 || stats.Failures != 2 {
			t.Errorf("got %+v", stats)
		}
	})
}
