package proc

import (
	"os"
	"strconv"
	"syscall"
)

// sysProcAttr puts the child into a group of its own and has the kernel end it with the test's process.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// keepDescriptors marks every descriptor beyond the standard three to be closed in children. Go does so for what it
// opens; this is for what the test's process was itself started with, such as the lock or the pipe of a caller.
func keepDescriptors() {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
