package kubeconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSize is the most that is read of a kubeconfig or of a file that it names,
// in bytes. It is checked before anything is parsed.
const maxSize = 1 << 20

// readRegular reads a regular file of at most maxSize bytes. Opening never
// blocks, so that a FIFO or a device costs nothing. The error is a reason that
// follows the file's name.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileReason(err)
	}
	if err := regular(info); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileReason(err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	// Looked at again: the path may name something else by now.
	if info, err = file.Stat(); err != nil {
		return nil, fileReason(err)
	}
	if err := regular(info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, fileReason(err)
	}
	if len(data) > maxSize {
		return nil, errTooLarge
	}
	return data, nil
}

var errTooLarge = fmt.Errorf("is larger than %d bytes", maxSize)

// regular is the reason why a file is not one to read.
func regular(info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return errors.New("is a directory")
	case mode&fs.ModeNamedPipe != 0:
		return errors.New("is a FIFO, not a regular file")
	case mode&(fs.ModeDevice|fs.ModeCharDevice) != 0:
		return errors.New("is a device, not a regular file")
	case !mode.IsRegular():
		return errors.New("is not a regular file")
	case info.Size() > maxSize:
		return errTooLarge
	}
	return nil
}

// fileReason drops the operation and the path, which the caller names itself.
func fileReason(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("does not exist%w", hidden{err})
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("may not be read by this user%w", hidden{err})
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// hidden keeps a cause for errors.Is without printing it.
type hidden struct{ error }

func (hidden) Error() string   { return "" }
func (h hidden) Unwrap() error { return h.error }

// expandHome replaces a leading ~/, which a shell leaves alone behind NAME=.
func expandHome(path, home string) string {
	if rest, found := strings.CutPrefix(path, "~/"); found && home != "" {
		return filepath.Join(home, rest)
	}
	return path
}
