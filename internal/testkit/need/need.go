// Package need gets what end-to-end tests need from outside the module: programs and Python environments, through the
// script e2e/setup.sh. What cannot be had fails the test in continuous integration (CI set) and skips it elsewhere.
package need

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// exitMissing is the status with which the script says that a part is missing and cannot be installed here.
const exitMissing = 3

// limit is how long an installation may take.
const limit = 8 * time.Minute

var done sync.Map // arguments to *result

type result struct {
	once    sync.Once
	missing string
	err     error
}

// Part makes a part of e2e/setup.sh available ("synapse", "irssi", "tmux", …).
func Part(t testing.TB, name string) {
	t.Helper()
	ensure(t, name)
}

// Venv makes a Python environment with exactly these requirements under .cache and returns the path of its Python.
func Venv(t testing.TB, name string, requirements ...string) string {
	t.Helper()
	ensure(t, append([]string{"venv", name}, requirements...)...)
	return Python(t, name)
}

// Python returns the path of the Python of an environment under .cache.
func Python(t testing.TB, name string) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, ".cache", name, "bin", "python")
}

func ensure(t testing.TB, args ...string) {
	t.Helper()
	value, _ := done.LoadOrStore(strings.Join(args, " "), &result{})
	r := value.(*result)
	r.once.Do(func() { r.missing, r.err = setup(args) })
	if r.err != nil {
		t.Fatal(r.err)
	}
	if r.missing != "" {
		Missing(t, r.missing)
	}
}

// Missing ends a test that lacks something: a failure in continuous integration, a skip elsewhere.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// setup runs the script; missing is its reason when it says that something cannot be had.
func setup(args []string) (missing string, err error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{"e2e/setup.sh"}, args...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitMissing {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return lines[len(lines)-1], nil
	}
	if err != nil {
		return "", fmt.Errorf("e2e/setup.sh %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return "", nil
}

// Root returns the module's root folder.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err = os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find module: no go.mod above the working directory")
		}
	}
}

// Lock takes the lock file .cache/<name>.lock, waiting for other processes. Children do not inherit it.
func Lock(name string) (unlock func(), err error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if err = os.MkdirAll(filepath.Join(root, ".cache"), 0o755); err != nil {
		return nil, fmt.Errorf("make .cache: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(root, ".cache", name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("take lock %s: %w", name, err)
	}
	return func() { _ = file.Close() }, nil
}
