package bridge_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/util/ptr"
	"go.mau.fi/zeroconfig"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/event"
)

// No text of a message is in the log, however much is logged, and no secret.
func TestTextsAreNotLogged(t *testing.T) {
	for name, level := range map[string]*zerolog.Level{"trace": ptr.Ptr(zerolog.TraceLevel), "no level": nil, "debug": ptr.Ptr(zerolog.DebugLevel)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			file := filepath.Join(t.TempDir(), "bridge.log")
			w.change = func(c *bridgeconfig.Config) {
				c.Logging.MinLevel = level
				c.Logging.Writers = []zeroconfig.WriterConfig{{
					Type: zeroconfig.WriterTypeFile, Format: zeroconfig.LogFormatJSON, FileConfig: zeroconfig.FileConfig{Filename: file},
				}}
			}
			w.start()
			alice := w.user("alice")
			w.login(alice, anna)
			w.network.Say(carl, direct, "from Hangouts, confidential")
			room := w.room("from Hangouts, confidential")
			alice.WaitText(room, "from Hangouts, confidential")
			alice.SendText(room, "from Matrix, confidential")
			w.waitTexts(direct, "from Hangouts, confidential", "from Matrix, confidential")
			alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgLocation, Body: "confidential", GeoURI: "geo:confidential"})
			w.waitNotice(room, "There is no place in it")
			alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgImage, Body: "confidential", FileName: "confidential.png", URL: "mxc://x/y"})
			w.waitNotice(room, "does not give the bridge this file")
			for _, command := range []string{"rename", "add", "remove", "easter-egg", "search", "start-chat", "create-group", "join", "open", "link", "do-not-disturb"} {
				heard := len(w.notices(room))
				alice.SendText(room, "!hangouts "+command+" confidential")
				w.eventually("an answer to "+command, func() bool { return len(w.notices(room)) > heard })
			}
			alice.SendText(room, aSecret)
			w.waitNotice(room, "I removed your message")
			w.stop()
			log, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, bytes.Contains(log, []byte("/send/m.room.message/")), "the log shows requests")
			for line := range bytes.Lines(log) {
				require.NotContains(t, string(line), "confidential", "a text")
			}
			require.False(t, bytes.Contains(log, []byte("ThatsMySecret")), "a secret")
		})
	}
}
