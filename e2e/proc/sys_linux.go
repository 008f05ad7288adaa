package proc

import "syscall"

// sysProcAttr puts the child into a group of its own and has the kernel end it with the test's process.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
