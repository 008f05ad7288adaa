// Package cli_test has tests of the program from outside: its command line, its config file, what it says when something
// is wrong, and what it lives through. Each starts the real program in a folder of its own.
package cli_test

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// nobodyRole runs a program as a user without rights: what is not writable is so for root, too.
const nobodyRole = "as-nobody"

func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	proc.Child(map[string]func() int{nullhs.Role: nullhs.Main, nobodyRole: asNobody})
	os.Exit(m.Run())
}

// asNobody becomes the program that NOBODY_ARG0 (and so on) name.
func asNobody() int {
	const nobody = 65534
	program, err := os.Open(os.Getenv("NOBODY_ARG0"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	args := []string{"hangouts-bridge"}
	for i := 1; os.Getenv("NOBODY_ARG"+strconv.Itoa(i)) != ""; i++ {
		args = append(args, os.Getenv("NOBODY_ARG"+strconv.Itoa(i)))
	}
	if os.Geteuid() == 0 {
		for _, err = range []error{syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)} {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 99
			}
		}
	}
	// By descriptor: the folders above the program may be closed to others.
	err = syscall.Exec(fmt.Sprintf("/proc/self/fd/%d", program.Fd()), args, os.Environ())
	fmt.Fprintln(os.Stderr, err)
	return 99
}
