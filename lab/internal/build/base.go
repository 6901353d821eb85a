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

// baseSuite is the Debian release of all base layers.
const baseSuite = "bookworm"

// Packages of the base layers beyond the smallest Debian.
const (
	// basePackages are what the proxy's init container and the sample client need.
	basePackages = "iptables,curl,ca-certificates"
	// netPackages are what pods that look names up and talk TCP and UDP need.
	netPackages = "bind9-dnsutils,netcat-openbsd,socat"
)

// baseSkip lists what no container of the lab reads.
var baseSkip = []string{
	"dev", "proc", "sys", "tmp", "var/cache", "var/lib/apt", "var/log",
	"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/i18n", "boot",
}

// base returns the layer tar of a Debian with these packages.
func (b *builder) base(ctx context.Context, component, packages string) (string, error) {
	key := keyOf("base 1", baseSuite, packages, strings.Join(baseSkip, ","))
	dir, err := b.make(ctx, component, key, func(dir string) error { return makeBase(ctx, dir, packages) })
	return filepath.Join(dir, "layer.tar"), err
}

// makeBase runs debootstrap in mount and pid namespaces of its own: however it
// ends, neither a mount nor a process of it stays behind.
func makeBase(ctx context.Context, dir, packages string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("debootstrap needs root; fix: run as root")
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return fmt.Errorf("debootstrap is not there; fix: run scripts/install-debian-packages: %w", err)
	}
	root := filepath.Join(dir, "root")
	err := runCommand(ctx, command{dir: dir, args: []string{
		"unshare", "--mount", "--pid", "--fork", "--kill-child",
		"debootstrap", "--variant=minbase", "--include=" + packages, baseSuite, root,
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
