package ircclient

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// Terminal is a program on a screen that the test can read and type into: tmux without anybody attached.
type Terminal struct {
	t      testing.TB
	name   string
	socket string
	server *proc.Process
}

const (
	terminalWidth  = 150
	terminalHeight = 45
)

// StartTerminal runs a program on a screen of its own until the test ends.
func StartTerminal(t testing.TB, name string, command ...string) *Terminal {
	t.Helper()
	need.Part(t, "tmux")
	// Not t.TempDir: the path of a socket must be short.
	dir, err := os.MkdirTemp("", "tmux")
	if err != nil {
		t.Fatalf("make folder for terminal: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	term := &Terminal{t: t, name: name, socket: filepath.Join(dir, "s")}
	term.server = proc.Start(t, proc.Options{Path: "tmux", Args: []string{"-S", term.socket, "-f", "/dev/null", "-u", "-D"},
		Env: []string{"LC_ALL=C.UTF-8", "TERM=screen-256color", "TMUX="}, Quiet: true})
	term.waitFor("start", func() bool { _, err := os.Stat(term.socket); return err == nil })
	args := []string{"new-session", "-d", "-x", fmt.Sprint(terminalWidth), "-y", fmt.Sprint(terminalHeight), "-s", "main", "--"}
	term.tmux(append(args, command...)...)
	pid, err := strconv.Atoi(strings.TrimSpace(term.tmux("display-message", "-p", "-t", "main", "#{pane_pid}")))
	if err != nil {
		t.Fatalf("process of %s: %v", name, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("screen of %s:\n%s", name, term.Screen())
		}
		term.kill(pid)
	})
	return term
}

// kill ends the program, which leads a process group, and waits until it is gone, so that it writes no more files.
func (term *Terminal) kill(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	term.waitFor("end", func() bool { return syscall.Kill(pid, 0) != nil || isZombie(pid) })
}

// isZombie says whether a process has ended and nobody has asked for its status: tmux misses the end of its children
// while it notes the closed terminal in utmp.
func isZombie(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

// tmux gives a command to the terminal's own tmux and returns its output.
func (term *Terminal) tmux(args ...string) string {
	term.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", term.socket, "-u"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMUX=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Type types text as a person would, without Enter.
func (term *Terminal) Type(text string) {
	term.t.Helper()
	term.tmux("send-keys", "-t", "main", "-l", "--", text)
}

// Enter types text and the Enter key.
func (term *Terminal) Enter(text string) {
	term.t.Helper()
	term.Type(text)
	term.Keys("Enter")
}

// Keys presses keys by tmux's names: "Enter", "M-2", "C-x", "PageUp".
func (term *Terminal) Keys(names ...string) {
	term.t.Helper()
	term.tmux(append([]string{"send-keys", "-t", "main"}, names...)...)
}

// Screen returns what the screen shows, or why it shows nothing.
func (term *Terminal) Screen() string {
	out, err := exec.Command("tmux", "-S", term.socket, "-u", "capture-pane", "-p", "-t", "main").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("(no screen: %v: %s)", err, out)
	}
	return string(out)
}

// WaitScreen waits until the screen shows text.
func (term *Terminal) WaitScreen(text string) {
	term.t.Helper()
	term.waitFor(fmt.Sprintf("show %q", text), func() bool { return strings.Contains(term.Screen(), text) })
}

// WaitGone waits until the screen does not show text.
func (term *Terminal) WaitGone(text string) {
	term.t.Helper()
	term.waitFor(fmt.Sprintf("stop showing %q", text), func() bool { return !strings.Contains(term.Screen(), text) })
}

func (term *Terminal) waitFor(what string, cond func() bool) {
	term.t.Helper()
	wait.Within(term.t, Patience, term.name+" to "+what, cond)
}

// waitFile waits until a file contains text.
func (term *Terminal) waitFile(path, text string) {
	term.t.Helper()
	term.waitFor(fmt.Sprintf("log %q into %s", text, filepath.Base(path)), func() bool {
		data, _ := os.ReadFile(path)
		return strings.Contains(string(data), text)
	})
}
