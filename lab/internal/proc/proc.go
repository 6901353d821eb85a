// Package proc starts the lab's processes so that they outlive the command
// that started them, and finds and stops them again. A process is known by its
// pid together with its start time, never by its name.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ID names one process for good: a pid may be used again, the pair is not.
type ID struct {
	PID int
	// Start is the start time in clock ticks since boot.
	Start uint64
}

// String is the form pid files hold.
func (id ID) String() string { return fmt.Sprintf("%d %d", id.PID, id.Start) }

// ReadFile reads a pid file. A missing or torn one is no process: ok is false.
func ReadFile(path string) (id ID, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return ID{}, false
	}
	fields := strings.Fields(string(data))
	if len(fields) != 2 {
		return ID{}, false
	}
	pid, perr := strconv.Atoi(fields[0])
	start, serr := strconv.ParseUint(fields[1], 10, 64)
	if perr != nil || serr != nil || pid < 2 {
		return ID{}, false
	}
	return ID{PID: pid, Start: start}, true
}

// Lookup finds the process which has this pid now; a zombie counts as gone.
func Lookup(pid int) (id ID, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ID{}, false
	}
	// The second field is the name in parentheses and may hold anything.
	end := bytes.LastIndex(data, []byte(") "))
	if end < 0 {
		return ID{}, false
	}
	fields := bytes.Fields(data[end+2:])
	if len(fields) < 20 {
		return ID{}, false
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return ID{}, false
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return ID{}, false
	}
	return ID{PID: pid, Start: start}, true
}

// Alive says whether the very same process still runs.
func (id ID) Alive() bool {
	now, ok := Lookup(id.PID)
	return ok && now == id
}

// Signal signals the process if it still is the same one.
func (id ID) Signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", id.PID, err)
	}
	defer unix.Close(fd)
	// The descriptor now pins the pid: what is checked is what is signalled.
	if !id.Alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}

// Memory is the process's share of physical memory in bytes, pages it shares
// divided among those who share them; 0 when it is gone.
func (id ID) Memory() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", id.PID))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "Pss:" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
