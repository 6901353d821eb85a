package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

const cgroupRoot = "/sys/fs/cgroup"

// v1Controllers are the hierarchies a kubelet needs on a cgroup v1 host.
var v1Controllers = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"}

// v2Controllers are what a kubelet needs delegated on a cgroup v2 host.
const v2Controllers = "+cpuset +cpu +io +memory +pids"

// CgroupV2 says whether the host has the unified hierarchy only. A hybrid host
// counts as v1, for containerd and kubelet treat it so.
func CgroupV2() bool {
	var st unix.Statfs_t
	return unix.Statfs(cgroupRoot, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// hierarchies are the directories under which a cgroup must be made: on v1 one
// per controller, with doubles (cpu and cpuacct are often one) left out.
func hierarchies() []string {
	if CgroupV2() {
		return []string{cgroupRoot}
	}
	var dirs []string
	for _, name := range v1Controllers {
		dir, err := filepath.EvalSymlinks(filepath.Join(cgroupRoot, name))
		if err == nil && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// EnsureCgroups makes the cluster's cgroup in every hierarchy and returns the
// directories which its own processes join. The kubelet uses an own cgroup
// root only where it exists, and on v1 a new cpuset starts empty and unusable.
//
// The cgroup v2 part follows the documentation of the kernel; it was not run.
func EnsureCgroups(c plan.Cluster) ([]string, error) {
	var system []string
	for _, root := range hierarchies() {
		for _, path := range []string{c.Cgroup(), c.SystemCgroup()} {
			if err := makeCgroup(root, path); err != nil {
				return nil, fmt.Errorf("make cgroup %s: %w", path, err)
			}
		}
		system = append(system, filepath.Join(root, c.SystemCgroup()))
	}
	return system, nil
}

func makeCgroup(root, path string) error {
	dir := filepath.Join(root, path)
	parent := filepath.Dir(dir)
	if CgroupV2() {
		// A cgroup's controllers are switched on in its parent.
		if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte(v2Controllers), 0o644); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	if filepath.Base(root) != "cpuset" {
		return nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// RemoveCgroups removes the cluster's cgroups, children first. The kernel lets
// go of a cgroup only some time after its last process, hence the patience.
func RemoveCgroups(c plan.Cluster, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var errs []error
		for _, dir := range Cgroups(c) {
			errs = append(errs, removeTree(dir))
		}
		err := errors.Join(errs...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-tick.C
	}
}

// removeTree removes directories only: the files of a cgroup are not removable.
func removeTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	var errs []error
	for _, dir := range dirs {
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove cgroup %s: %w", strings.TrimPrefix(dir, cgroupRoot), err))
		}
	}
	return errors.Join(errs...)
}

// Cgroups lists the cgroup directories the cluster has, in whatever hierarchy:
// on a hybrid host runc makes some in the unified one as well.
func Cgroups(c plan.Cluster) []string {
	var found []string
	for _, pattern := range []string{"", "*"} {
		// The only error of Glob is a bad pattern.
		dirs, _ := filepath.Glob(filepath.Join(cgroupRoot, pattern, c.ID()))
		found = append(found, dirs...)
	}
	return found
}

// Thaw lets the cluster's frozen processes run again: in a frozen v1 cgroup not
// even a kill takes effect.
func Thaw(c plan.Cluster) error {
	var errs []error
	for _, dir := range Cgroups(c) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || d.IsDir():
				return nil
			case d.Name() == "freezer.state":
				return os.WriteFile(path, []byte("THAWED"), 0o644)
			case d.Name() == "cgroup.freeze":
				return os.WriteFile(path, []byte("0"), 0o644)
			}
			return nil
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
