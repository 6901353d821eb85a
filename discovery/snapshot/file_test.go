package snapshot

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAFolderWithoutAFileHoldsNothing(t *testing.T) {
	t.Parallel()
	if shards, err := Load(t.TempDir()); shards != nil || err != nil {
		t.Errorf("got %v, %v", shards, err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "new", "folder")
	for _, endpoints := range []int{3, 30} {
		if err := save(folder, pack(encode(mesh(endpoints)))); err != nil {
			t.Fatal(err)
		}
		got, err := Load(folder)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(mesh(endpoints), got, equal); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if names := namesIn(t, folder); !cmp.Equal(names, []string{Name}) {
		t.Errorf("the folder holds %q", names)
	}
	info, err := os.Stat(filepath.Join(folder, Name))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// TestADamagedFileIsRefused is F31.
func TestADamagedFileIsRefused(t *testing.T) {
	t.Parallel()
	flip := func(at int) func([]byte) []byte {
		return func(whole []byte) []byte {
			whole[(at+len(whole))%len(whole)] ^= 0x10
			return whole
		}
	}
	for name, tc := range map[string]struct {
		damage func([]byte) []byte
		want   error
	}{
		"an empty file":           {func([]byte) []byte { return nil }, ErrNotOurs},
		"somebody else's file":    {func([]byte) []byte { return []byte("apiVersion: v1\nkind: List\n") }, ErrNotOurs},
		"only its first bytes":    {func(whole []byte) []byte { return whole[:20] }, ErrCut},
		"the end is missing":      {func(whole []byte) []byte { return whole[:len(whole)-1] }, ErrCut},
		"something is behind it":  {func(whole []byte) []byte { return append(whole, 0) }, ErrCut},
		"a bit of the checksum":   {flip(headerSize - 1), ErrChecksum},
		"a bit of the content":    {flip(-1), ErrChecksum},
		"a version of the future": {func(whole []byte) []byte { binary.BigEndian.PutUint32(whole[len(magic):], version+1); return whole }, ErrVersion},
		"a sum over nonsense":     {func([]byte) []byte { return pack([]byte{7}) }, errPayload},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			damaged := tc.damage(pack(encode(mesh(3))))
			if err := os.WriteFile(filepath.Join(folder, Name), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if shards, err := Load(folder); !errors.Is(err, tc.want) || shards != nil {
				t.Errorf("got %v, %v, want %v", shards, err, tc.want)
			}
		})
	}
}

func TestAFileThatIsNoneOrTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, Name)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(folder); err == nil {
		t.Error("a folder was read")
	}
	large := t.TempDir()
	path = filepath.Join(large, Name)
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, MaxSize+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if err := save(large, make([]byte, MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

// TestOnlyAbandonedFilesAreTidied leaves those alone that somebody may be writing.
func TestOnlyAbandonedFilesAreTidied(t *testing.T) {
	t.Parallel()
	folder, now := t.TempDir(), time.Now()
	for name, age := range map[string]time.Duration{".last-1.tmp": 2 * time.Hour, ".last-2.tmp": time.Minute, "other.tmp": 2 * time.Hour} {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, now.Add(-age), now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := tidy(folder, now); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, folder); !cmp.Equal(names, []string{".last-2.tmp", "other.tmp"}) {
		t.Errorf("left are %q", names)
	}
}

func namesIn(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
