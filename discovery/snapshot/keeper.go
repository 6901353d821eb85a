package snapshot

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"time"
)

// Interval is the default of Keeper.Every.
const Interval = 10 * time.Second

// Keeper writes the file after changes, and once more when it ends.
type Keeper struct {
	// Folder is where the file is.
	Folder string
	// Latest is the content as it is now; false while it is not known, for then a file
	// that has more must stay.
	Latest func() (*Content, bool)
	// Wake gets a value when it is another one.
	Wake <-chan struct{}
	// Every is the least time between two files. Zero: Interval.
	Every time.Duration
	Log   *slog.Logger

	written [sha256.Size]byte
	// mu guards stats.
	mu    sync.Mutex
	stats Stats
}

// Stats count what was written since the start.
type Stats struct {
	// Writes are files that were written, Failures those that could not be.
	Writes, Failures int
	// Bytes is the size of the last file, Written when it was.
	Bytes   int
	Written time.Time
	// Failed is why the last one could not be written; nil where it was.
	Failed error
}

// Stats are the counts as they are now.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

// Run writes until ctx ends, and then once more.
func (k *Keeper) Run(ctx context.Context) {
	if err := tidy(k.Folder, time.Now()); err != nil {
		k.Log.Warn("remove temporary files of snapshots", "error", err)
	}
	every := k.Every
	if every == 0 {
		every = Interval
	}
	for {
		again := (<-chan time.Time)(nil)
		if k.Stats().Failed != nil {
			// There may be room again though nothing has changed.
			again = time.After(every)
		}
		select {
		case <-ctx.Done():
			k.once()
			return
		case <-k.Wake:
		case <-again:
		}
		k.once()
		// What comes meanwhile is in the next file.
		pause := time.NewTimer(every)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// once writes a file where it would differ from the last one.
func (k *Keeper) once() {
	latest, known := k.Latest()
	if !known {
		return
	}
	file := pack(encode(latest))
	sum := sha256.Sum256(file)
	if sum == k.written {
		return
	}
	err := save(k.Folder, file)
	if err == nil {
		k.written = sum
	}
	k.note(err, len(file))
}

// note counts, and tells a person of the first failure in a row and of its end.
func (k *Keeper) note(err error, size int) {
	k.mu.Lock()
	before := k.stats.Failed
	k.stats.Failed = err
	if err != nil {
		k.stats.Failures++
	} else {
		k.stats.Writes++
		k.stats.Bytes, k.stats.Written = size, time.Now()
	}
	k.mu.Unlock()
	switch {
	case err != nil && before == nil:
		k.Log.Warn("write a snapshot; the last one stays", "folder", k.Folder, "error", err)
	case err == nil && before != nil:
		k.Log.Info("snapshots are written again", "folder", k.Folder)
	}
}
