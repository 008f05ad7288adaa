package proc

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
)

var builds sync.Map // package to *build

type build struct {
	once sync.Once
	path string
	err  error
}

// Bridge returns the path of the bridge's program, built at most once per test process.
func Bridge(t testing.TB) string {
	t.Helper()
	return Build(t, "./cmd/hangouts-bridge")
}

// Build builds a main package, named relative to the module's root, into .cache/e2e-bin and returns the program's path.
// Test processes that run at the same time take turns.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	value, _ := builds.LoadOrStore(pkg, &build{})
	b := value.(*build)
	b.once.Do(func() { b.path, b.err = goBuild(pkg) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

func goBuild(pkg string) (string, error) {
	root, err := need.Root()
	if err != nil {
		return "", err
	}
	unlock, err := need.Lock("build")
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(root, ".cache", "e2e-bin", filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// ports are those that a test process hands out, one after another: each process has a range of its own, as far as there
// are enough, so that nobody takes a port before its server listens.
var ports atomic.Int64

const (
	firstPort, allPorts = 10_000, 20_000
	portsOfProcess      = 500
)

// FreePort returns a TCP port of the loopback interface that is free at the moment, and that the system gives to no
// outgoing connection.
func FreePort(t testing.TB) int {
	t.Helper()
	for range portsOfProcess {
		n := os.Getpid()*portsOfProcess + int(ports.Add(1))%portsOfProcess
		port := firstPort + n%allPorts
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("found no free port")
	return 0
}

// WaitPort waits until something accepts connections at a TCP address.
func (p *Process) WaitPort(addr string) {
	p.t.Helper()
	p.poll("accept connections at "+addr, func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// WaitHTTP waits until a URL answers with status 200.
func (p *Process) WaitHTTP(url string) {
	p.t.Helper()
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	p.poll("answer at "+url, func() bool {
		resp, err := client.Get(url)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
}

// poll asks again and again until the process does what it should, ends, or Patience is over.
func (p *Process) poll(what string, done func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(Patience)
	for !done() {
		if !p.Running() {
			p.t.Fatalf("%s ended before it could %s:\n%s", p.opts.Name, what, p.tail(30))
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s did not %s within %v:\n%s", p.opts.Name, what, Patience, p.tail(30))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// childVariable marks a test binary that was started again as a child.
const childVariable = "E2E_CHILD"

// Child lets a test binary be its own child process: call it first in TestMain with the roles that it can play. In a
// process started by StartSelf it runs the role and exits with its result; otherwise it returns at once.
func Child(roles map[string]func() int) {
	if name := os.Getenv(childVariable); name != "" {
		role := roles[name]
		if role == nil {
			fmt.Fprintln(os.Stderr, "no such role:", name)
			os.Exit(2)
		}
		os.Exit(role())
	}
}

// StartSelf starts the running test binary again in a role of Child. Arguments go by opts.Env.
func StartSelf(t testing.TB, role string, opts Options) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("find test binary: %v", err)
	}
	opts.Path, opts.Name = self, role
	opts.Env = append(opts.Env, childVariable+"="+role)
	return Start(t, opts)
}
