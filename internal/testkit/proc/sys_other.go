//go:build !linux

package proc

import "syscall"

// sysProcAttr puts the child into a group of its own.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// keepDescriptors does nothing where there is no list of the open descriptors.
func keepDescriptors() {}
