// Package image writes container images as docker archives without a
// container engine. Equal input gives equal bytes: no time, no owner, no order
// of the file system gets in.
package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is a file that a layer adds to an image.
type File struct {
	// Path is where it goes, without a leading slash.
	Path string
	// Source is the file on this host.
	Source string
	Mode   int64
}

// WriteFiles writes a layer with these files and the directories above them.
func WriteFiles(w io.Writer, files []File) error {
	tw := tar.NewWriter(w)
	made := map[string]bool{}
	for _, f := range files {
		if err := writeParents(tw, made, f.Path); err != nil {
			return err
		}
		if err := writeFile(tw, f.Source, tar.Header{Name: f.Path, Mode: f.Mode}); err != nil {
			return err
		}
	}
	return tw.Close()
}

// WriteTree writes a layer with everything below root but what skip names; a
// directory that is skipped stays, empty.
func WriteTree(w io.Writer, root string, skip func(rel string) bool) error {
	tw := tar.NewWriter(w)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || rel == "." {
			return err
		}
		skipped := skip(rel)
		if skipped && !d.IsDir() {
			return nil
		}
		if err := writeEntry(tw, path, rel); err != nil {
			return err
		}
		if skipped {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func writeParents(tw *tar.Writer, made map[string]bool, path string) error {
	var dirs []string
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if made[dir] {
			continue
		}
		made[dir] = true
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	return nil
}

// writeEntry writes one file as it is; devices and sockets are left out.
func writeEntry(tw *tar.Writer, path, rel string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	mode := int64(info.Mode().Perm())
	if info.Mode()&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if info.Mode()&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	switch {
	case info.IsDir():
		return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: rel + "/", Mode: mode})
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: rel, Linkname: target, Mode: 0o777})
	case info.Mode().IsRegular():
		// An image may run as any user, so all it holds is readable by all.
		return writeFile(tw, path, tar.Header{Name: rel, Mode: mode | 0o444})
	}
	return nil
}

func writeFile(tw *tar.Writer, source string, header tar.Header) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	header.Name = strings.TrimPrefix(header.Name, "/")
	if err := tw.WriteHeader(&header); err != nil {
		return fmt.Errorf("add %s: %w", header.Name, err)
	}
	if _, err := io.Copy(tw, file); err != nil {
		return fmt.Errorf("add %s: %w", header.Name, err)
	}
	return nil
}
