package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/eastwest-mesh/eastwest/lab/internal/host"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
	"github.com/eastwest-mesh/eastwest/lab/internal/proc"
	"github.com/eastwest-mesh/eastwest/lab/internal/progress"
)

// downPatience is how long processes and cgroups have to go.
const downPatience = 30 * time.Second

// Down removes the lab of this name, whatever is left of it: it needs no state
// and goes by names and marks alone. What cannot be removed is an error; Down
// may be called again. A lab that is not there is fine.
func Down(ctx context.Context, name string, out io.Writer) error {
	if err := plan.CheckName(name); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("taking a lab down needs root; fix: run it with sudo")
	}
	board := progress.New(out)
	unlock, err := lock(ctx, name, board)
	if err != nil {
		return err
	}
	defer unlock()
	p := plan.Lab{Name: name}
	all := p.All()
	errs := make([]error, len(all), len(all)+2)
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			if err := removeCluster(ctx, c, board); err != nil {
				errs[i] = fmt.Errorf("cluster %s: %w", c.Name(), err)
			}
		})
	}
	wg.Wait()
	return wrapDown(name, append(errs, removeShared(ctx, p, board)))
}

// Down removes the lab; see the function of that name.
func (l *Lab) Down(ctx context.Context) error { return Down(ctx, l.Name, nil) }

// removeCluster goes from the living to the dead: processes hold mounts and
// cgroups, mounts hold files, and files tell what lies outside.
func removeCluster(ctx context.Context, c plan.Cluster, board *progress.Board) error {
	if there, err := present(c); err != nil || !there {
		return err
	}
	task := board.Task(c.Context())
	task.Step("removing")
	if err := errors.Join(host.Thaw(c), proc.Kill(ctx, owner(c), downPatience)); err != nil {
		return err
	}
	err := errors.Join(
		host.Unmount(c.Dir(), c.RunDir()),
		host.RemoveForeignFiles(c),
		host.RemoveNetns(ctx, c),
		host.RemoveCgroups(c, downPatience),
		os.RemoveAll(c.RunDir()),
		os.RemoveAll(c.Dir()),
	)
	if err == nil {
		task.Done("removed")
	}
	return err
}

// removeShared removes what all clusters share, under the host's lock, since
// another lab may look for a free network just now.
func removeShared(ctx context.Context, p plan.Lab, board *progress.Board) error {
	unlock, err := lock(ctx, "host", board)
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(host.RemoveBridge(ctx, p), os.RemoveAll(p.Dir()), host.Unsettle())
}

// present says whether anything of the cluster is on the host.
func present(c plan.Cluster) (bool, error) {
	left, err := Remains(c.Lab.Name, c.Index)
	return len(left) > 0, err
}

// Remains lists everything on the host that belongs to one cluster of a lab:
// processes, mounts, network namespace, link, cgroups and directories.
func Remains(name string, index int) ([]string, error) {
	c := plan.Lab{Name: name}.Cluster(index)
	var left []string
	ids, err := proc.Find(owner(c))
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		left = append(left, fmt.Sprintf("process %d", id.PID))
	}
	mounts, err := host.Mounts(c.Dir(), c.RunDir(), c.NetnsPath())
	if err != nil {
		return nil, err
	}
	for _, path := range append(mounts, c.NetnsPath(), c.RunDir(), c.Dir(), "/sys/class/net/"+c.Veth()) {
		if _, err := os.Lstat(path); err == nil {
			left = append(left, path)
		}
	}
	foreign, err := host.ForeignFiles(c)
	return append(append(left, host.Cgroups(c)...), foreign...), err
}

func owner(c plan.Cluster) proc.Owner {
	return proc.Owner{Netns: c.NetnsPath(), Cgroup: c.Cgroup(), Marker: c.Marker()}
}

func wrapDown(name string, errs []error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take down lab %q: %w", name, err)
	}
	return nil
}
