package build

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/lab/internal/image"
)

// basePackages is what the base image has beyond the smallest Debian: what the
// proxy's init container and the sample client need.
const (
	baseSuite    = "bookworm"
	basePackages = "iptables,curl,ca-certificates"
)

// baseSkip lists what no container of the lab reads.
var baseSkip = []string{
	"dev", "proc", "sys", "tmp", "var/cache", "var/lib/apt", "var/log",
	"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/i18n", "boot",
}

// base returns the layer tar of the Debian base image.
func (b *builder) base(ctx context.Context) (string, error) {
	key := keyOf("base 1", baseSuite, basePackages, strings.Join(baseSkip, ","))
	dir, err := b.make(ctx, "base", key, func(dir string) error { return makeBase(ctx, dir) })
	return filepath.Join(dir, "layer.tar"), err
}

// makeBase runs debootstrap in mount and pid namespaces of its own: however it
// ends, neither a mount nor a process of it stays behind.
func makeBase(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("debootstrap needs root; fix: run as root")
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return fmt.Errorf("debootstrap is not there; fix: run scripts/install-debian-packages: %w", err)
	}
	root := filepath.Join(dir, "root")
	err := runCommand(ctx, command{dir: dir, args: []string{
		"unshare", "--mount", "--pid", "--fork", "--kill-child",
		"debootstrap", "--variant=minbase", "--include=" + basePackages, baseSuite, root,
	}})
	if err != nil {
		return err
	}
	err = writeLayer(filepath.Join(dir, "layer.tar"), func(w *bufio.Writer) error {
		return image.WriteTree(w, root, func(rel string) bool { return slices.Contains(baseSkip, rel) })
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(root)
}

// writeLayer creates a file through a buffer.
func writeLayer(path string, write func(w *bufio.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	if err := write(w); err != nil {
		file.Close()
		return err
	}
	if err := w.Flush(); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
