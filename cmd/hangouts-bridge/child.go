package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
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
			return fmt.Errorf("%s %w:\n%s", name, errDied, c.tail())
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

// tail is the end of the program's output.
func (c *child) tail() string {
	data, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}
