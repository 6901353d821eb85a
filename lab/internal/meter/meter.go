// Package meter reads of the kernel what a process has had: memory and time of a
// processor. It is for benchmarks on Linux, and must not know what runs.
package meter

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is what the kernel counts the time of processes in.
// Source: proc(5), USER_HZ, which is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// Memory is what of a process is in memory, in bytes: now, and at most so far.
type Memory struct{ Now, Peak int64 }

// MemoryOf reads it. Source: proc(5), VmRSS and VmHWM of /proc/PID/status.
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	var out Memory
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "VmRSS:" && fields[0] != "VmHWM:" {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return Memory{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
		}
		if fields[0] == "VmRSS:" {
			out.Now = kilobytes * 1024
		} else {
			out.Peak = kilobytes * 1024
		}
	}
	if out.Now == 0 || out.Peak == 0 {
		return Memory{}, fmt.Errorf("read the memory of process %d: it says nothing of it", pid)
	}
	return out, nil
}

// ForgetPeak begins the peak anew. Source: proc(5), 5 in /proc/PID/clear_refs.
func ForgetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// Worked is how much of a processor a process has had so far, in steps of 10 ms.
func Worked(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// Behind the name, which may have spaces, utime is the 12th field and stime the 13th.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields, sum := strings.Fields(rest), 0
	if len(fields) < 13 {
		return 0, fmt.Errorf("read the time of process %d: %q", pid, text)
	}
	for _, one := range fields[11:13] {
		ticks, err := strconv.Atoi(one)
		if err != nil {
			return 0, fmt.Errorf("read the time of process %d: %w", pid, err)
		}
		sum += ticks
	}
	return time.Duration(sum) * tick, nil
}

// WorkedExactly is Worked in nanoseconds, of all threads that live. Threads that have
// ended are left out, which Go's hardly do.
// Source: the kernel's Documentation/scheduler/sched-stats, /proc/PID/task/TID/schedstat.
func WorkedExactly(pid int) (time.Duration, error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, one := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, one.Name()))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the time of process %d: %w", pid, err)
		}
		sum += time.Duration(nanoseconds)
	}
	return sum, nil
}
