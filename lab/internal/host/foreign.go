package host

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// Places outside the cluster's own directories where containerd and the CNI
// library insist on writing. Files of other clusters, labs and programs lie
// beside ours, so each is recognised by what it says.
const (
	shimSockets = "/run/containerd/s"
	cniResults  = "/var/lib/cni/results"
)

// usedDirs go when nothing is in them any more.
var usedDirs = []string{shimSockets, filepath.Dir(shimSockets), cniResults, filepath.Dir(cniResults)}

// ForeignFiles lists the cluster's files in those places. The cluster's own
// directories must still be there: they tell which sockets are ours.
func ForeignFiles(c plan.Cluster) ([]string, error) {
	sockets, err := shimSocketsOf(c)
	if err != nil {
		return nil, err
	}
	results, err := matching(cniResults, func(path string) bool {
		data, err := os.ReadFile(path)
		return err == nil && bytes.Contains(data, []byte(c.RunDir()+"/"))
	})
	return append(sockets, results...), err
}

// RemoveForeignFiles removes them, and the directories which then are empty.
func RemoveForeignFiles(c plan.Cluster) error {
	files, err := ForeignFiles(c)
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range files {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			errs = append(errs, err)
		}
	}
	for _, dir := range usedDirs {
		// Fails, as it should, where somebody else's files are in it.
		_ = os.Remove(dir)
	}
	return errors.Join(errs...)
}

// shimSocketsOf asks the bundles of the cluster's containers for their sockets.
func shimSocketsOf(c plan.Cluster) ([]string, error) {
	bundles, err := filepath.Glob(filepath.Join(c.RunDir(), "containerd", "io.containerd.runtime.v2.task", "*", "*", "address"))
	if err != nil {
		return nil, err
	}
	var sockets []string
	for _, file := range bundles {
		data, err := os.ReadFile(file)
		path := strings.TrimPrefix(strings.TrimSpace(string(data)), "unix://")
		if err != nil || filepath.Dir(path) != shimSockets {
			continue
		}
		if _, err := os.Lstat(path); err == nil {
			sockets = append(sockets, path)
		}
	}
	return sockets, nil
}

func matching(dir string, ours func(path string) bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); ours(path) {
			found = append(found, path)
		}
	}
	return found, nil
}
