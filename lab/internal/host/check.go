package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const installFix = "fix: run scripts/install-debian-packages"

// tools are the executables the lab calls, or whose parts it calls.
var tools = []string{
	"ip", "nsenter", "setsid", "unshare", "nft", "iptables",
	"containerd", "containerd-shim-runc-v2", "ctr", "runc",
}

// cniDir is where Debian has the CNI plugins.
const cniDir = "/usr/lib/cni"

var cniPlugins = []string{"bridge", "host-local", "loopback", "portmap"}

// features are what the kernel must have, each with a command that tries it in
// a namespace which vanishes at once.
var features = []struct{ name, module, try string }{
	{"network namespaces", "", "true"},
	{"virtual Ethernet pairs (veth)", "veth", "ip link add v0 type veth peer name v1"},
	{"bridges", "bridge", "ip link add b0 type bridge"},
	{"nftables", "nf_tables", "nft add table ip t"},
	{"iptables on nftables", "", "iptables -t nat -L -n"},
	{"bridge netfilter", "br_netfilter", "test -e /proc/sys/net/bridge/bridge-nf-call-iptables"},
	{"overlay file system", "overlay", "grep -qw overlay /proc/filesystems"},
}

// Check says everything the host lacks for a lab, each with its fix. It makes
// nothing, except that it loads kernel modules which are there.
func Check(ctx context.Context) error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("the lab runs on linux/amd64 only, not on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	if os.Geteuid() != 0 {
		return errors.New("the lab needs root, for network namespaces and cgroups; fix: run it with sudo")
	}
	if missing := missingTools(); len(missing) > 0 {
		return fmt.Errorf("not installed: %s; %s", strings.Join(missing, ", "), installFix)
	}
	var errs []error
	for _, f := range features {
		if err := tryFeature(ctx, f.module, f.try); err != nil {
			errs = append(errs, fmt.Errorf("the kernel has no %s: %w; fix: a kernel with it (Debian's linux-image-amd64 has it)", f.name, err))
		}
	}
	return errors.Join(append(errs, checkCgroups())...)
}

func missingTools() []string {
	var missing []string
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	for _, name := range cniPlugins {
		path := filepath.Join(cniDir, name)
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, path)
		}
	}
	return missing
}

func tryFeature(ctx context.Context, module, command string) error {
	try := func() error {
		_, err := run(ctx, "unshare", "--net", "--", "sh", "-c", command)
		return err
	}
	err := try()
	if err == nil || module == "" {
		return err
	}
	if _, loadErr := run(ctx, "modprobe", module); loadErr != nil {
		return err
	}
	return try()
}

// checkCgroups wants every hierarchy on a v1 host, and on a v2 host that
// controllers may be switched on from the root.
func checkCgroups() error {
	if CgroupV2() {
		data, err := os.ReadFile(filepath.Join(cgroupRoot, "cgroup.controllers"))
		if err != nil {
			return fmt.Errorf("read cgroup controllers: %w", err)
		}
		for _, want := range []string{"cpu", "cpuset", "io", "memory", "pids"} {
			if !strings.Contains(" "+strings.TrimSpace(string(data))+" ", " "+want+" ") {
				return fmt.Errorf("cgroup v2 has no controller %s; fix: enable it on the kernel command line", want)
			}
		}
		return nil
	}
	for _, name := range v1Controllers {
		if _, err := os.Stat(filepath.Join(cgroupRoot, name)); err != nil {
			return fmt.Errorf("cgroup v1 has no hierarchy %s mounted at %s; fix: mount it, or boot with cgroup v2", name, cgroupRoot)
		}
	}
	return nil
}
