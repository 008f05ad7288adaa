package hangouts_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

// TestPasswordIsNotEchoed types on a pseudo terminal: the e-mail shows, the password does not, and
// echo is on again afterwards.
func TestPasswordIsNotEchoed(t *testing.T) {
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminal: ", err)
	}
	require.NoError(t, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	shown := &output{}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(shown, screen) }) // ends when the terminal is closed
	echo := func() bool {
		state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		return err == nil && state.Lflag&unix.ECHO != 0
	}
	p := &hangouts.TerminalPrompt{In: terminal, Out: terminal}
	_, err = io.WriteString(screen, "ada@example.com\n")
	require.NoError(t, err)
	email, err := p.Email(context.Background())
	require.NoError(t, err)
	require.Equal(t, "ada@example.com", email)

	answer := make(chan string, 1)
	wg.Go(func() {
		password, err := p.Password(context.Background())
		if err != nil {
			password = err.Error()
		}
		answer <- password
	})
	eventually(t, func() bool { return strings.Contains(shown.String(), "Password: ") && !echo() })
	_, err = io.WriteString(screen, "hunter2\n")
	require.NoError(t, err)
	require.Equal(t, "hunter2", <-answer)
	require.True(t, echo(), "echo is on again")
	eventually(t, func() bool { return strings.Contains(shown.String(), "ada@example.com") })
	require.NotContains(t, shown.String(), "hunter2")
	require.NoError(t, terminal.Close())
	wg.Wait()
	require.NoError(t, screen.Close())
}
