package proc_test

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

func TestMain(m *testing.M) {
	proc.Child(map[string]func() int{"daemon": daemon, "quitter": quitter})
	os.Exit(m.Run())
}

// daemon listens, says so, and ends politely at SIGTERM.
func daemon() int {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	listener, err := net.Listen("tcp", os.Getenv("DAEMON_ADDR"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer listener.Close()
	entries, _ := os.ReadDir("/proc/self/fd")
	var inherited []string
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if strings.Contains(target, os.Getenv("DAEMON_SECRET")) {
			inherited = append(inherited, target)
		}
	}
	fmt.Printf("{\"pid\":%d,\"group\":%d,\"inherited\":%q}\n", os.Getpid(), syscall.Getpgrp(), inherited)
	fmt.Fprintln(os.Stderr, "daemon is ready")
	<-ended
	return 7
}

func quitter() int {
	fmt.Fprint(os.Stderr, "cannot go on: bad configuration") // without the end of the line
	return 11
}

func TestLifeOfAProcess(t *testing.T) {
	// A descriptor as one gets it from a careless caller: children would inherit it.
	secret, err := os.CreateTemp(t.TempDir(), "open-in-the-test")
	require.NoError(t, err)
	defer secret.Close()
	inherited, err := syscall.Dup(int(secret.Fd()))
	require.NoError(t, err)
	defer syscall.Close(inherited)
	addr := fmt.Sprintf("127.0.0.1:%d", proc.FreePort(t))
	p := proc.StartSelf(t, "daemon", proc.Options{Env: []string{"DAEMON_ADDR=" + addr, "DAEMON_SECRET=open-in-the-test"}})
	p.WaitPort(addr)
	require.Equal(t, fmt.Sprintf(`{"pid":%d,"group":%d,"inherited":[]}`, p.PID(), p.PID()), p.WaitStdout("{"),
		"a group of its own and no descriptor of the test")
	p.WaitLine("daemon is ready")

	first := p.PID()
	p.Kill9()
	require.False(t, p.Running())
	require.Equal(t, -1, p.WaitExit(time.Second))
	_, err = net.DialTimeout("tcp", addr, time.Second)
	require.Error(t, err, "gone means gone")

	mark := p.Mark()
	p.StartAgain()
	p.WaitLineAfter(mark, "daemon is ready")
	require.NotEqual(t, first, p.PID())
	require.Equal(t, 7, p.Terminate())
	require.Equal(t, 2, strings.Count(p.Log(), "daemon is ready"), "the log goes on over a restart")
}

func TestExitCodeAndLog(t *testing.T) {
	p := proc.StartSelf(t, "quitter", proc.Options{Quiet: true})
	require.Equal(t, 11, p.WaitExit(proc.Patience))
	require.Equal(t, "cannot go on: bad configuration", p.WaitLine("cannot"))
}

func TestBuildAndRun(t *testing.T) {
	path := proc.Build(t, "./internal/testkit/proc/testdata/hello")
	p := proc.Start(t, proc.Options{Path: path, Args: []string{"world"}})
	require.Equal(t, 0, p.WaitExit(proc.Patience))
	require.Equal(t, "hello world", p.WaitStdout("hello"))
}
