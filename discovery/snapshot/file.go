package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Name is the file's name in its folder.
const Name = "last.shards"

// The header: magic, version, length of the payload, SHA-256 of the payload.
const (
	magic      = "eastwest"
	version    = 3
	headerSize = len(magic) + 4 + 8 + sha256.Size
)

// MaxSize bounds a file: two of them, the old one and the new one, fit into the
// volume that the chart gives an agent.
const MaxSize = 120 << 20

const temporary = ".last-*.tmp"

// Errors of a file that is not used.
var (
	ErrNotOurs  = errors.New("it is no snapshot")
	ErrVersion  = errors.New("it has a version that this agent does not read")
	ErrCut      = errors.New("it is longer or shorter than it says")
	ErrChecksum = errors.New("its checksum is wrong")
	ErrTooLarge = fmt.Errorf("it is larger than %d bytes", MaxSize)
)

// Load reads the file of a folder. Without a file it returns nothing and no error.
func Load(folder string) (*Content, error) {
	path := filepath.Join(folder, Name)
	content, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", path, err)
	}
	loaded, err := unpack(content)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %s: %w", path, err)
	}
	return loaded, nil
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > MaxSize {
		return nil, ErrTooLarge
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxSize+1))
}

// pack puts a header in front of a payload.
func pack(payload []byte) []byte {
	sum := sha256.Sum256(payload)
	out := make([]byte, 0, headerSize+len(payload))
	out = append(out, magic...)
	out = binary.BigEndian.AppendUint32(out, version)
	out = binary.BigEndian.AppendUint64(out, uint64(len(payload)))
	out = append(out, sum[:]...)
	return append(out, payload...)
}

// unpack checks a file and decodes it.
func unpack(content []byte) (*Content, error) {
	if !bytes.HasPrefix(content, []byte(magic)) {
		return nil, ErrNotOurs
	}
	if len(content) < headerSize {
		return nil, ErrCut
	}
	header, payload := content[len(magic):headerSize], content[headerSize:]
	if binary.BigEndian.Uint32(header) != version {
		return nil, fmt.Errorf("%w: %d", ErrVersion, binary.BigEndian.Uint32(header))
	}
	if binary.BigEndian.Uint64(header[4:]) != uint64(len(payload)) {
		return nil, ErrCut
	}
	if sum := sha256.Sum256(payload); !bytes.Equal(sum[:], header[12:]) {
		return nil, ErrChecksum
	}
	return decode(payload)
}

// save puts a file in place of the one that is there. Whatever goes wrong, the old
// one stays.
func save(folder string, content []byte) (err error) {
	if len(content) > MaxSize {
		return ErrTooLarge
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, temporary)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), filepath.Join(folder, Name)); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes the new name outlive a crash of the machine.
func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// abandoned is how old a temporary file is that nobody is writing any more.
const abandoned = time.Hour

// tidy removes what processes left that were killed while they wrote. A folder
// may be shared by replicas, so the temporary files of others may be in use.
func tidy(folder string, now time.Time) error {
	paths, err := filepath.Glob(filepath.Join(folder, temporary))
	if err != nil {
		return err
	}
	var failures []error
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > abandoned {
			failures = append(failures, os.Remove(path))
		}
	}
	return errors.Join(failures...)
}
