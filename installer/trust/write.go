package trust

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// staging is the folder in which files are completed before they are moved to
// their place. Its name is no label, so that it is never taken for a cluster; it
// exists once, so that it keeps a second run out.
const staging = ".eastwest-staging"

// files are the paths and contents of some intermediates.
func (m *Material) files(clusters []string) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range clusters {
		in := m.Intermediates[name]
		files[path.Join(name, caCertKey)] = in.Cert
		files[path.Join(name, caKeyKey)] = in.Key
		files[path.Join(name, rootCertKey)] = in.Root
		files[path.Join(name, certChainKey)] = in.Chain
	}
	return files
}

// add puts files where there are none yet.
func (f *folder) add(files map[string][]byte) error {
	for _, name := range top(files) {
		if f.has(name) {
			return problem.New(problem.Input, CodePath, "%q exists already", path.Join(f.path, name)).
				WithFix("remove it, or give --force to make everything anew and keep the old beside")
		}
	}
	return f.staged(files, func() error { return f.move(top(files), staging, ".") })
}

// replace puts files in place of what is there, which is moved to a folder whose
// name it returns; empty where there was nothing.
func (f *folder) replace(files map[string][]byte, now time.Time) (string, error) {
	var old []string
	for _, name := range top(files) {
		if f.has(name) {
			old = append(old, name)
		}
	}
	if len(old) == 0 {
		return "", f.add(files)
	}
	kept := "replaced." + now.UTC().Format("20060102T150405.000Z")
	return kept, f.staged(files, func() error {
		if err := f.root.Mkdir(kept, 0o700); err != nil {
			return err
		}
		if err := f.move(old, ".", kept); err != nil {
			return errors.Join(err, f.root.Remove(kept))
		}
		if err := f.move(top(files), staging, "."); err != nil {
			return errors.Join(err, f.move(old, kept, "."), f.root.Remove(kept))
		}
		return nil
	})
}

// staged writes files into the staging folder, lets commit move them, and
// removes the staging folder whatever happened.
func (f *folder) staged(files map[string][]byte, commit func() error) (err error) {
	if err := f.root.Mkdir(staging, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return problem.New(problem.Input, CodePath, "%q exists: another run is at work, or one was killed", path.Join(f.path, staging)).
				WithFix("if no other run is at work: rm -r %s", path.Join(f.path, staging))
		}
		return unwritable(f.path, err)
	}
	defer func() { err = errors.Join(err, f.root.RemoveAll(staging)) }()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := f.write(path.Join(staging, name), files[name]); err != nil {
			return unwritable(path.Join(f.path, name), err)
		}
	}
	if err := commit(); err != nil {
		return unwritable(f.path, err)
	}
	f.sync()
	return nil
}

// write creates a file for its owner only, and makes it durable.
func (f *folder) write(name string, data []byte) error {
	if err := f.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// move renames entries from one folder of f to another; where one fails, those
// before it are moved back.
func (f *folder) move(names []string, from, to string) error {
	for i, name := range names {
		if err := f.root.Rename(path.Join(from, name), path.Join(to, name)); err != nil {
			for _, done := range names[:i] {
				err = errors.Join(err, f.root.Rename(path.Join(to, done), path.Join(from, done)))
			}
			return err
		}
	}
	return nil
}

// sync makes the renames durable where the system can.
func (f *folder) sync() {
	dir, err := f.root.Open(".")
	if err != nil {
		return
	}
	_ = dir.Sync()  //nolint:errcheck // not every file system syncs directories
	_ = dir.Close() //nolint:errcheck // opened for reading
}

// top are the entries of the folder that files make: the root before the
// clusters, so that a run killed in between leaves what a further run completes.
func top(files map[string][]byte) []string {
	roots, clusters := map[string]bool{}, map[string]bool{}
	for name := range files {
		first, _, nested := strings.Cut(name, "/")
		if nested {
			clusters[first] = true
		} else {
			roots[first] = true
		}
	}
	return slices.Concat(slices.Sorted(maps.Keys(roots)), slices.Sorted(maps.Keys(clusters)))
}
