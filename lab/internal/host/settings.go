package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// kernelSettings are what a lab changes for the whole host: the kubelet sets
// the first three by itself, and many clusters need more watches of files than
// a host allows by default. The values are the least that is set; 0 means that
// the kubelet decides.
var kernelSettings = map[string]int{
	"vm/overcommit_memory":          0,
	"kernel/panic":                  0,
	"kernel/panic_on_oops":          0,
	"fs/inotify/max_user_instances": 1024,
	"fs/inotify/max_user_watches":   524288,
}

func settingPath(name string) string { return filepath.Join("/proc/sys", name) }

func savedSettings() string { return filepath.Join(plan.StateRoot, ".host-settings.json") }

// Settle stores the host's kernel settings, unless an earlier lab has done so,
// and raises those that are too low.
func Settle(write func(path string, data []byte, mode os.FileMode) error) error {
	now := map[string]string{}
	for name := range kernelSettings {
		if data, err := os.ReadFile(settingPath(name)); err == nil {
			now[name] = strings.TrimSpace(string(data))
		}
	}
	if _, err := os.Stat(savedSettings()); os.IsNotExist(err) {
		data, err := json.Marshal(now)
		if err != nil {
			return err
		}
		if err := write(savedSettings(), data, 0o644); err != nil {
			return fmt.Errorf("store kernel settings: %w", err)
		}
	}
	for name, least := range kernelSettings {
		if value, err := strconv.Atoi(now[name]); err != nil || value >= least {
			continue
		}
		if err := os.WriteFile(settingPath(name), []byte(strconv.Itoa(least)), 0o644); err != nil {
			return fmt.Errorf("raise %s: %w", name, err)
		}
	}
	return nil
}

// Unsettle puts the kernel settings back when the last lab is gone, and
// removes the directories which labs share. A directory that a kubelet has
// mounted over in its own namespace looks empty from here, and to remove it
// would take the mount away: hence not before all are gone.
func Unsettle() error {
	entries, err := os.ReadDir(plan.StateRoot)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list labs: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			return nil
		}
	}
	// What cannot be read, a torn file among it, cannot be put back.
	saved := map[string]string{}
	if data, err := os.ReadFile(savedSettings()); err == nil {
		_ = json.Unmarshal(data, &saved)
	}
	var errs []error
	for name := range kernelSettings {
		if value, ok := saved[name]; ok {
			errs = append(errs, os.WriteFile(settingPath(name), []byte(value), 0o644))
		}
	}
	for _, dir := range plan.KubeletFixedDirs() {
		// Fails, as it should, where somebody else's files are in it.
		_ = os.Remove(dir)
	}
	return errors.Join(append(errs, os.RemoveAll(plan.StateRoot))...)
}
