package member

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
)

const (
	// pollEvery is how often a folder is read. Notifications of the kernel would
	// be faster, but they miss changes on network and container file systems.
	pollEvery = time.Second
	// maxFile bounds a file, in bytes.
	maxFile = 1 << 20
	// maxFiles bounds how many files of a folder are read.
	maxFiles = 4096
	// mountedData is the link that Kubernetes swaps to change all files of a
	// mounted Secret at once.
	mountedData = "..data"
)

// Folder is a source outside a cluster, or a mounted Secret: the same files as in
// a Secret, in one folder.
type Folder struct {
	path     string
	registry *registry
	synced   chan struct{}
}

// NewFolder returns a source that reads the folder at path.
func NewFolder(path string, options Options) *Folder {
	return &Folder{path: path, registry: newRegistry(options), synced: make(chan struct{})}
}

// Synced is closed once the folder has been read.
func (f *Folder) Synced() <-chan struct{} { return f.synced }

// Check reads the folder once and returns what its records contradict each other in, as
// Overlaps does: which of two is right is for whoever wrote them to say. What is wrong
// with one record alone costs that member, and not the start of an agent.
func (f *Folder) Check() error {
	files, err := f.read()
	if err != nil {
		return unreadable(f.path, err)
	}
	records := []v1alpha1.MemberRecord{f.registry.options.Own}
	for _, one := range files.entries() {
		if record, err := decodeRecord(one.record); err == nil {
			records = append(records, record)
		}
	}
	return errors.Join(Overlaps(records)...)
}

// Run tells of members until ctx ends, which takes none of them away. A change in
// a plain folder is believed once two readings agree: its files are not written
// all at once. A folder that cannot be read changes nothing.
func (f *Folder) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var last, used [sha256.Size]byte
	for first := true; ; first = false {
		files, err := f.read()
		if err != nil && first {
			return unreadable(f.path, err)
		}
		if digest := files.digest(); err == nil {
			if digest != used && (first || digest == last) {
				used = digest
				f.registry.update([]bundle{files})
			}
			last = digest
		}
		if first {
			close(f.synced)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// read reads all files of the folder. Where Kubernetes mounted it, they are read
// behind its link, so that all are of one version.
func (f *Folder) read() (bundle, error) {
	dir := f.path
	if target, err := filepath.EvalSymlinks(filepath.Join(dir, mountedData)); err == nil {
		dir = target
	}
	found := bundle{origin: f.path, files: map[string][]byte{}, broken: map[string]string{}}
	listed, err := os.ReadDir(dir)
	if err != nil {
		return found, err
	}
	if len(listed) > maxFiles {
		return found, fmt.Errorf("%d files, more than %d", len(listed), maxFiles)
	}
	for _, file := range listed {
		if _, ours := memberOf(file.Name()); !ours {
			continue
		}
		content, err := readRegular(filepath.Join(dir, file.Name()))
		if err != nil {
			found.broken[file.Name()] = err.Error()
			continue
		}
		found.files[file.Name()] = content
	}
	return found, nil
}

// digest is equal for equal bundles.
func (b bundle) digest() [sha256.Size]byte {
	sum := sha256.New()
	for _, one := range b.entries() {
		fmt.Fprintf(sum, "%q %q %x ", one.name, one.broken, one.digest)
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// readRegular reads a regular file of bounded size. Opening never blocks, so that
// a FIFO costs nothing. The error holds no path: it goes behind the file's name.
func readRegular(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.New("cannot be opened")
	}
	defer file.Close() //nolint:errcheck // nothing was written
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	return content, nil
}

func sortBundles(all []bundle) []bundle {
	slices.SortFunc(all, func(a, b bundle) int { return strings.Compare(a.origin, b.origin) })
	return all
}
