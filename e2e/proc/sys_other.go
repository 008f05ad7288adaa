//go:build !linux

package proc

import "syscall"

// sysProcAttr puts the child into a group of its own.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
