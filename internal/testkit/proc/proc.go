// Package proc runs programs as child processes of a test: each in a process group of its own, without descriptors of
// the test, with its output captured line by line, killed at the latest when the test (or the test's process) ends.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long methods wait for something to happen when no other time is named.
const Patience = wait.Patience

// maxLines bounds the captured output of one process; the older half is forgotten at the limit.
const maxLines = 200_000

// Options say what to run.
type Options struct {
	Name string // for messages; default: the last part of Path
	Path string
	Args []string
	Dir  string   // working directory; default: that of the test
	Env  []string // added to the test's environment, "KEY=value"
	// Quiet keeps the output out of the test's log when the test fails.
	Quiet bool
}

// Process is a program that can be ended and started again; the captured output goes on.
type Process struct {
	t    testing.TB
	opts Options

	mu      sync.Mutex
	lines   []line
	changed chan struct{} // closed and replaced at each line and at the exit
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the current run is over
	err     error         // of cmd.Wait, once exited is closed
}

type line struct {
	stdout bool
	text   string
}

// Start runs a program until the test ends. The test fails when it cannot be started.
func Start(t testing.TB, opts Options) *Process {
	t.Helper()
	if opts.Name == "" {
		opts.Name = opts.Path[strings.LastIndexByte(opts.Path, '/')+1:]
	}
	p := &Process{t: t, opts: opts, changed: make(chan struct{})}
	t.Cleanup(func() {
		p.Kill9()
		if t.Failed() && !opts.Quiet {
			t.Logf("last output of %s:\n%s", opts.Name, p.tail(100))
		}
	})
	p.StartAgain()
	return p
}

// StartAgain starts the program anew after Kill9, Terminate or an exit of its own.
func (p *Process) StartAgain() {
	p.t.Helper()
	p.mu.Lock()
	if p.exited != nil {
		select {
		case <-p.exited:
		default:
			p.mu.Unlock()
			p.t.Fatalf("%s is still running", p.opts.Name)
		}
	}
	cmd := exec.Command(p.opts.Path, p.opts.Args...)
	cmd.Dir, cmd.Env = p.opts.Dir, append(os.Environ(), p.opts.Env...)
	cmd.SysProcAttr = sysProcAttr()
	stdout, stderr := &lineWriter{p: p, stdout: true}, &lineWriter{p: p}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = 5 * time.Second // for grandchildren that keep the output open
	exited := make(chan struct{})
	p.cmd, p.exited, p.err = cmd, exited, nil
	p.mu.Unlock()

	keepDescriptors()
	started := make(chan error)
	go func() {
		// The kernel ends the child when the thread that started it ends, so this one is kept for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			err = cmd.Wait()
			stdout.flush()
			stderr.flush()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err = err
		close(exited)
		p.notify()
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("start %s: %v", p.opts.Name, err)
	}
}

// lineWriter cuts output into lines.
type lineWriter struct {
	p      *Process
	stdout bool
	rest   []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.rest = append(w.rest, data...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(data), nil
		}
		w.p.add(line{w.stdout, strings.TrimSuffix(string(w.rest[:end]), "\r")})
		w.rest = w.rest[end+1:]
	}
}

// flush takes in a last line without an end.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.p.add(line{w.stdout, string(w.rest)})
		w.rest = nil
	}
}

func (p *Process) add(l line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) >= maxLines {
		p.lines = append([]line(nil), p.lines[maxLines/2:]...)
	}
	p.lines = append(p.lines, l)
	p.notify()
}

// notify wakes those who wait. The caller holds the lock.
func (p *Process) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// PID is the process id of the current or last run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Signal sends a signal to the process group; a process that is gone is no error.
func (p *Process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	select {
	case <-p.exited:
		return // its number may belong to somebody else by now
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

// Kill9 kills the process group with SIGKILL and waits until the process is gone.
func (p *Process) Kill9() {
	p.Signal(syscall.SIGKILL)
	if exited := p.over(); exited != nil {
		<-exited
	}
}

// Terminate asks the process to end with SIGTERM and returns its exit code; it fails the test after Patience.
func (p *Process) Terminate() int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.WaitExit(Patience)
}

// over returns the channel that is closed when the current run is over, nil before the first.
func (p *Process) over() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return nil
	}
	return p.exited
}

// Running says whether the process is alive.
func (p *Process) Running() bool {
	exited := p.over()
	if exited == nil {
		return false
	}
	select {
	case <-exited:
		return false
	default:
		return true
	}
}

// WaitExit waits for the end of the process and returns its exit code, -1 when a signal ended it.
func (p *Process) WaitExit(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.over():
	case <-time.After(limit):
		p.t.Fatalf("%s still runs after %v:\n%s", p.opts.Name, limit, p.tail(30))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatalf("%s: %v", p.opts.Name, p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// WaitLine waits for a line of output, of any run, that contains text and returns it. It fails the test when none comes
// within Patience or the process ends without it.
func (p *Process) WaitLine(text string) string {
	p.t.Helper()
	return p.waitLine(text, 0, func(l line) bool { return strings.Contains(l.text, text) })
}

// WaitLineAfter is WaitLine for lines from a Mark on.
func (p *Process) WaitLineAfter(mark int, text string) string {
	p.t.Helper()
	return p.waitLine(text, mark, func(l line) bool { return strings.Contains(l.text, text) })
}

// WaitStdout waits for the first line on the standard output that begins with prefix and returns it.
func (p *Process) WaitStdout(prefix string) string {
	p.t.Helper()
	return p.waitLine(prefix, 0, func(l line) bool { return l.stdout && strings.HasPrefix(l.text, prefix) })
}

// Mark is the number of lines so far, for WaitLineAfter.
func (p *Process) Mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

func (p *Process) waitLine(what string, from int, fits func(line) bool) string {
	p.t.Helper()
	deadline := time.After(Patience)
	for {
		p.mu.Lock()
		for _, l := range p.lines[min(from, len(p.lines)):] {
			if fits(l) {
				p.mu.Unlock()
				return l.text
			}
		}
		changed, exited := p.changed, p.exited
		p.mu.Unlock()
		select {
		case <-exited:
			p.t.Fatalf("%s ended without the line %q:\n%s", p.opts.Name, what, p.tail(30))
		default:
		}
		select {
		case <-changed:
		case <-deadline:
			p.t.Fatalf("%s did not say %q within %v:\n%s", p.opts.Name, what, Patience, p.tail(30))
		}
	}
}

// Log returns all captured output.
func (p *Process) Log() string { return p.tail(maxLines) }

func (p *Process) tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for _, l := range p.lines[max(0, len(p.lines)-n):] {
		fmt.Fprintln(&b, l.text)
	}
	return b.String()
}
