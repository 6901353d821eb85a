package sides

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// LeaveFirstCore keeps this process, and all that it starts without saying otherwise, off
// the first processor, which is for the servers that are measured. Each thread has its
// own set; new ones take that of the one that makes them.
func LeaveFirstCore() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() < 2 {
		return err
	}
	set.Clear(0)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, one := range threads {
		id, err := strconv.Atoi(one.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return err
		}
	}
	return nil
}
