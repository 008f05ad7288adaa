package cli_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// SIGTERM says goodbye and ends everything in order; the next start goes on where it was.
func TestTerminate(t *testing.T) {
	t.Parallel()
	for _, matrix := range []string{"", "down", "up"} {
		t.Run("Matrix "+matrix, func(t *testing.T) {
			t.Parallel()
			p, w := newWorld(t)
			if matrix != "" {
				hs := "127.0.0.1:" + portOf(freeAddr(t))
				p.matrix("http://" + hs)
				if matrix == "up" {
					p.homeserver(hs)
				}
			}
			bridge := w.start(p)
			talk(t, p, w, "breakfast")
			mark := bridge.Mark()
			require.Zero(t, bridge.Terminate())
			bridge.WaitLineAfter(mark, "Stopping")
			w.client.WaitClosed()
			lines := w.client.Lines()
			require.Contains(t, lines[len(lines)-1].Raw, "ERROR :Closing link: Server is shutting down")
			eventually(t, "the account to be disconnected", func() bool { return w.ada.Subscribed() == 0 })

			for path := range p.files() {
				requirePrivate(t, path)
			}

			_, err := w.carol.Send("carol", "while it was down")
			require.NoError(t, err)
			bridge.StartAgain()
			bridge.WaitPort(p.irc)
			w.connect(p)
			w.client.AwaitFunc("what was missed", says("while it was down"))
			talk(t, p, w, "dinner")
		})
	}
}

// kill -9 at any moment loses no line that was accepted, and repeats none.
func TestKill9(t *testing.T) {
	t.Parallel()
	p, w := newWorld(t)
	w.service.Configure(func(s *hangoutstest.Settings) { s.Dedup = false })
	from := len(w.service.Events("carol"))
	bridge := w.start(p)
	var want []string
	for round := range 4 {
		for i := range 3 {
			text := fmt.Sprintf("round %d line %d", round, i)
			w.client.Send("PRIVMSG Carol_Capek :%s", text)
			want = append(want, text)
		}
		w.client.Roundtrip() // they are accepted
		bridge.Kill9()
		bridge.StartAgain()
		bridge.WaitPort(p.irc)
		w.connect(p)
	}
	waitTexts(t, w.service, "carol", from, want...)
	talk(t, p, w, "all well")
	require.Equal(t, append(want, "all well", "all well?"), texts(w.service, "carol", from))
}
