package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// child is a program that the demo runs: in a process group of its own, so that Ctrl-C
// reaches only the demo, which then ends its children in order.
type child struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed when the program is gone
}

// startChild runs a program whose output goes to a file.
func startChild(logFile, dir, program string, args ...string) (*child, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	c := &child{cmd: exec.Command(program, args...), log: logFile, ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = dir, out, out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err = c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// startPatience is how long a part may take to start.
const startPatience = 2 * time.Minute

// await waits until ready reports true.
func (c *child) await(ctx context.Context, name string, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for !ready() {
		select {
		case <-c.ended:
			return c.died(name)
		case <-ctx.Done():
			return fmt.Errorf("%s did not start: %w", name, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// stopPatience is how long a part may take to end before it is killed.
const stopPatience = 15 * time.Second

func (c *child) stop() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(stopPatience):
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		<-c.ended
	}
}

// died shows the end of the output of a program that ended by itself, since the demo's folder
// goes, and returns errDied.
func (c *child) died(name string) error {
	data, err := os.ReadFile(c.log)
	if err != nil {
		return fmt.Errorf("%s %w: %w", name, errDied, err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	fmt.Fprintf(os.Stderr, "\nThe last that %s said:\n%s\n", name, strings.Join(lines[max(0, len(lines)-tailLines):], ""))
	return fmt.Errorf("%s %w", name, errDied)
}

// tailLines is how much is shown of the output of a program that ended by itself.
const tailLines = 20
