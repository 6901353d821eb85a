package trust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// maxFile is the most that is read of one file, in bytes.
const maxFile = 1 << 20

// folder is where CA material lives. Everything goes through root, so that no
// link in it leads out of it.
type folder struct {
	path string
	root *os.Root
	// made is true where the folder was created by this run.
	made bool
}

// openOrMake opens a folder for writing, creating it for its owner only.
func openOrMake(path string) (*folder, error) {
	path = filepath.Clean(path)
	info, err := os.Lstat(path)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, unwritable(path, err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			return nil, unwritable(path, err)
		}
		info, err = os.Lstat(path)
	}
	if err != nil {
		return nil, unwritable(path, err)
	}
	f, err := open(path, info)
	if err != nil {
		return nil, err
	}
	f.made = made
	return f, nil
}

// open opens the folder that was looked at, and no other that took its place.
func open(path string, info fs.FileInfo) (*folder, error) {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, badPath(path, "is a symbolic link, and links are not followed")
	case !info.IsDir():
		return nil, badPath(path, "is not a directory")
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, unwritable(path, err)
	}
	opened, err := root.Stat(".")
	if err != nil || !os.SameFile(info, opened) {
		_ = root.Close() //nolint:errcheck // nothing was written
		return nil, badPath(path, "was replaced while it was opened")
	}
	return &folder{path: path, root: root}, nil
}

// close releases the folder.
func (f *folder) close() { _ = f.root.Close() } //nolint:errcheck // files were synced one by one

// unmake removes the folder if this run created it and it is still empty.
func (f *folder) unmake() {
	if f.made {
		_ = os.Remove(f.path) //nolint:errcheck // another file in it keeps it
	}
}

// has reports whether anything has this name, link or not.
func (f *folder) has(name string) bool {
	_, err := f.root.Lstat(name)
	return err == nil
}

// clusters are the folders in f that hold an intermediate, sorted.
func (f *folder) clusters() ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, unwritable(f.path, err)
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() && len(validation.IsDNS1123Label(name)) == 0 && f.has(filepath.Join(name, caCertKey)) {
			names = append(names, name)
		}
	}
	return names, nil
}

// read returns a regular file of f.
func (f *folder) read(name string) ([]byte, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, plain(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("is no regular file of at most %d bytes", maxFile)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, plain(err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	return data, plain(err)
}

// loose warns of a file or folder that others than its owner may open.
func (f *folder) loose(name string) []string {
	info, err := f.root.Lstat(name)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	path := filepath.Join(f.path, name)
	return []string{fmt.Sprintf("%s has mode %04o: others than its owner may open it", path, info.Mode().Perm())}
}

func badPath(path, reason string) error {
	return problem.New(problem.Input, CodePath, "%q %s", path, reason).WithFix("name another directory")
}

func unwritable(path string, err error) error {
	return problem.New(problem.Input, CodePath, "%q cannot be used", path).Because(plain(err))
}

// plain drops the operation and the path of an error, which the caller names.
func plain(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

func invalid(folder, name string, err error) error {
	return problem.New(problem.Input, CodeMaterial, "%s", filepath.Join(folder, name)).Because(err)
}
