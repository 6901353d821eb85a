package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// EnsureBridge makes the lab's bridge. It is shared by all clusters, so it is
// made once, before they start in parallel.
func EnsureBridge(ctx context.Context, l plan.Lab) error {
	if !linkExists(l.Bridge()) {
		if err := steps(ctx, []string{"ip", "link", "add", l.Bridge(), "type", "bridge"}); err != nil {
			return fmt.Errorf("make bridge: %w", err)
		}
	}
	err := steps(
		ctx,
		[]string{"ip", "address", "replace", l.BridgeIP() + "/24", "dev", l.Bridge()},
		[]string{"ip", "link", "set", l.Bridge(), "up"},
	)
	if err != nil {
		return fmt.Errorf("set up bridge: %w", err)
	}
	return nil
}

// EnsureNetns makes the cluster's network namespace and its link to the bridge.
// There is no default route: nothing can leave the lab. The service network has
// a route all the same, since the API server calls webhooks on Service
// addresses and the kernel looks for a route before kube-proxy's rules apply.
func EnsureNetns(ctx context.Context, c plan.Cluster) error {
	if !isNetns(c.NetnsPath()) {
		if err := makeNetns(ctx, c); err != nil {
			return err
		}
	}
	if !linkExists(c.Veth()) {
		err := steps(ctx, []string{"ip", "link", "add", c.Veth(), "type", "veth", "peer", "name", "eth0", "netns", c.Netns()})
		if err != nil {
			return fmt.Errorf("link %s to the bridge: %w", c.Name(), err)
		}
	}
	if err := steps(ctx, []string{"ip", "link", "set", c.Veth(), "master", c.Lab.Bridge(), "up"}); err != nil {
		return fmt.Errorf("link %s to the bridge: %w", c.Name(), err)
	}
	err := steps(
		ctx,
		[]string{"ip", "-n", c.Netns(), "link", "set", "lo", "up"},
		[]string{"ip", "-n", c.Netns(), "address", "replace", c.NodeIP() + "/24", "dev", "eth0"},
		[]string{"ip", "-n", c.Netns(), "link", "set", "eth0", "up"},
		[]string{"ip", "-n", c.Netns(), "route", "replace", c.ServiceCIDR(), "dev", "eth0"},
		InNetns(c, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables"),
	)
	if err != nil {
		return fmt.Errorf("set up network of %s: %w", c.Name(), err)
	}
	return nil
}

// makeNetns also clears away the rest of a namespace that was made by half.
func makeNetns(ctx context.Context, c plan.Cluster) error {
	if err := os.Remove(c.NetnsPath()); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("make network namespace of %s: %w", c.Name(), err)
	}
	if _, err := run(ctx, "ip", "netns", "add", c.Netns()); err != nil {
		return fmt.Errorf("make network namespace of %s: %w", c.Name(), err)
	}
	return nil
}

// Flatten routes the pod networks of the peers to their nodes. CNI does not
// masquerade in a flat lab, so only what leaves for the bridge is masqueraded:
// pods see each other's real addresses, and nothing else knows a way to them.
func Flatten(ctx context.Context, c plan.Cluster, peers []plan.Cluster) error {
	for _, peer := range peers {
		err := steps(ctx, []string{"ip", "-n", c.Netns(), "route", "replace", peer.NodePodCIDR(), "via", peer.NodeIP()})
		if err != nil {
			return fmt.Errorf("route %s to %s: %w", c.Name(), peer.Name(), err)
		}
	}
	rules := fmt.Sprintf(`table ip lab
delete table ip lab
table ip lab {
	chain postrouting {
		type nat hook postrouting priority srcnat
		ip saddr %s ip daddr %s masquerade
	}
}`, c.PodCIDR(), c.Lab.BridgeCIDR())
	if err := steps(ctx, InNetns(c, "sh", "-c", `echo "$1" | nft -f -`, "nft", rules)); err != nil {
		return fmt.Errorf("masquerade the pods of %s: %w", c.Name(), err)
	}
	return nil
}

// InNetns is the command line which runs args in the cluster's network
// namespace.
func InNetns(c plan.Cluster, args ...string) []string {
	return append([]string{"nsenter", "--net=" + c.NetnsPath(), "--"}, args...)
}

// RemoveNetns removes the cluster's namespace and its link.
func RemoveNetns(ctx context.Context, c plan.Cluster) error {
	var errs []error
	if linkExists(c.Veth()) {
		_, err := run(ctx, "ip", "link", "delete", c.Veth())
		errs = append(errs, err)
	}
	err := unix.Unmount(c.NetnsPath(), unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		errs = append(errs, fmt.Errorf("unmount %s: %w", c.NetnsPath(), err))
	}
	if err := os.Remove(c.NetnsPath()); err != nil && !os.IsNotExist(err) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// RemoveBridge removes the lab's bridge, and the directory of network
// namespaces, which "ip netns" mounts, if none is left in it.
func RemoveBridge(ctx context.Context, l plan.Lab) error {
	if linkExists(l.Bridge()) {
		if _, err := run(ctx, "ip", "link", "delete", l.Bridge()); err != nil {
			return fmt.Errorf("remove bridge: %w", err)
		}
	}
	dir := filepath.Dir(l.Cluster(1).NetnsPath())
	if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 {
		// Both fail harmlessly when somebody else makes a namespace just now.
		_ = unix.Unmount(dir, 0)
		_ = os.Remove(dir)
	}
	return nil
}

func linkExists(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", name))
	return err == nil
}

// isNetns tells a namespace from the empty file that a crash leaves.
func isNetns(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC
}

// Links lists the lab's network devices on the host.
func Links(l plan.Lab) []string {
	names := []string{l.Bridge()}
	for _, c := range l.All() {
		names = append(names, c.Veth())
	}
	var found []string
	for _, name := range names {
		if linkExists(name) {
			found = append(found, name)
		}
	}
	return found
}

// FreeSubnet says whether no device of the host has an address on the bridge
// network of this lab.
func FreeSubnet(ctx context.Context, l plan.Lab) (bool, error) {
	out, err := run(ctx, "ip", "-4", "-oneline", "address", "show")
	if err != nil {
		return false, fmt.Errorf("list addresses: %w", err)
	}
	return !strings.Contains(out, strings.TrimSuffix(l.BridgeIP(), "1")), nil
}
