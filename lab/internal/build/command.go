package build

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// command is a program that builds something.
type command struct {
	dir  string
	env  []string
	args []string
}

// tail is how much of a failed command's output an error shows.
const tail = 2000

// runCommand runs the program, which dies with the caller however that ends.
func runCommand(ctx context.Context, c command) error {
	// The signal at the parent's death is bound to the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(out.String())
		text = text[max(0, len(text)-tail):]
		return fmt.Errorf("run %s: %w\n%s", strings.Join(c.args[:min(3, len(c.args))], " "), err, text)
	}
	return nil
}
