package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// talk has a conversation both ways between an IRC client and carol.
func talk(t *testing.T, p *place, w *world, about string) {
	t.Helper()
	from := len(w.service.Events("carol"))
	w.client.Send("PRIVMSG Carol_Capek :%s", about)
	waitTexts(t, w.service, "carol", from, about)
	_, err := w.carol.Send("carol", about+"?")
	require.NoError(t, err)
	w.client.AwaitFunc("the answer", says(about+"?"))
}

func TestWithoutHomeserver(t *testing.T) {
	t.Parallel()
	p, w := newWorld(t)
	bridge := w.start(p)
	talk(t, p, w, "lunch")
	require.Zero(t, bridge.Terminate())
	require.Zero(t, p.count("SELECT COUNT(*) FROM sqlite_master WHERE name='portal'"), "nothing of Matrix")
}

// With a homeserver that is down, IRC works at once, and Matrix begins when the homeserver comes up.
func TestHomeserverComesLater(t *testing.T) {
	t.Parallel()
	p, w := newWorld(t)
	hs := "127.0.0.1:" + portOf(freeAddr(t))
	p.matrix("http://" + hs)
	p.runInput(w.ada.RefreshToken(), "login", "-refresh-token", "-", "-matrix-user", "@ada:"+domain).ok()
	bridge := w.start(p)
	bridge.WaitLine("Matrix starts later")
	talk(t, p, w, "tea")

	homeserver := p.homeserver(hs)
	ada := mxclient.New(t, homeserver, "ada")
	ada.AutoJoin()
	room := ada.WaitRoom("Carol Čapek (Hangouts)")
	_, err := w.carol.Send("carol", "now with Matrix")
	require.NoError(t, err)
	ada.WaitText(room, "now with Matrix")
	w.client.AwaitFunc("the same on IRC", says("now with Matrix"))
	w.client.Send("PRIVMSG Carol_Capek :from IRC")
	ada.WaitText(room, "from IRC")
	from := len(w.service.Events("carol"))
	ada.SendText(room, "from Matrix")
	waitTexts(t, w.service, "carol", from, "from Matrix")

	homeserver.Kill9() // and when it goes, IRC stays
	talk(t, p, w, "supper")
	homeserver.StartAgain()
	require.Zero(t, bridge.Terminate())
}
