package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyOf is the cache key of whatever these parts determine.
func keyOf(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

// hashTree hashes names and contents of the files below root which keep
// chooses, in the order of their names.
func hashTree(root string, keep func(rel string, dir bool) bool) (string, error) {
	hash := sha256.New()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel != "." && !keep(rel, d.IsDir()) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		fmt.Fprintf(hash, "%d:%s", len(rel), rel)
		return hashFile(hash, path)
	})
	if err != nil {
		return "", fmt.Errorf("hash %s: %w", root, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func hashFile(w io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d:", info.Size())
	_, err = io.Copy(w, file)
	return err
}

// goSource chooses what a Go build depends on: module files, sources, and
// whatever they may embed, but neither tests nor hidden files.
func goSource(rel string, dir bool) bool {
	base := filepath.Base(rel)
	if strings.HasPrefix(base, ".") || base == "testdata" {
		return false
	}
	return dir || !strings.HasSuffix(base, "_test.go")
}
