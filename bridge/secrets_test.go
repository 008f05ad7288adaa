package bridge_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/zeroconfig"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// logTo makes a bridge write its log, with all but traces, to a file.
func (w *world) logTo(path string) {
	w.change = func(c *bridgeconfig.Config) {
		level := zerolog.DebugLevel
		c.Logging.MinLevel = &level
		c.Logging.Writers = []zeroconfig.WriterConfig{{Type: zeroconfig.WriterTypeFile, Format: zeroconfig.LogFormatJSON, FileConfig: zeroconfig.FileConfig{Filename: path}}}
	}
}

// A secret that nobody asked for is removed, explained, repeated nowhere and not logged.
// What only talks of secrets stays.
func TestSecretsNobodyAskedFor(t *testing.T) {
	const secret = "0ThatsMySecretWhichIsLongEnough_-x"
	w := newWorld(t)
	log := filepath.Join(w.dir, "bridge.log")
	w.logTo(log)
	w.start()
	alice := w.user("alice")
	room := alice.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	said := func() int { return len(w.notices(room)) }
	for name, text := range map[string]string{
		"refresh token":               "1//" + secret,
		"in a sentence":               "here it is: 1//" + secret + ".",
		"after the prefix":            "!hangouts 1//" + secret,
		"access token":                "ya29." + secret,
		"authorization code":          "4/" + secret,
		"cookie header":               "SAPISID=" + secret + "; SID=" + secret,
		"cookies as JSON":             `{"__Secure-1PSID": "` + secret + `", "NID": "x"}`,
		"cURL":                        "curl 'https://hangouts.google.com/webchat' \\\n  -H 'cookie: HSID=" + secret + "; NID=x' \\\n  --compressed",
		"header":                      "Authorization: SAPISIDHASH 1_" + secret,
		"login without its flow":      "login 1//" + secret,
		"login with more":             "login token 1//" + secret + " please",
		"cookies as arguments":        `login cookies {"SAPISID":"` + secret + `"}`,
		"relogin of an unknown login": "relogin x token 1//" + secret,
	} {
		t.Run(name, func(t *testing.T) {
			before := said()
			alice.SendText(room, text)
			w.eventually("an answer", func() bool { return said() > before })
			require.False(t, w.shown(room, secret))
			require.Contains(t, w.notices(room)[before], "I removed your message from the room")
			require.Len(t, w.notices(room), before+1)
		})
	}
	for name, text := range map[string]string{
		"a question": "Where do I find the SAPISID cookie, or the SID: somewhere?",
		"a password": "correcthorsebatterystaple",
		"a link":     "https://example.com/1//2/4/5",
	} {
		t.Run(name, func(t *testing.T) {
			before := said()
			alice.SendText(room, text)
			w.eventually("an answer", func() bool { return said() > before })
			require.True(t, w.shown(room, text))
			require.Contains(t, w.notices(room)[before], "Unknown command")
		})
	}
	t.Run("asked for", func(t *testing.T) {
		before := said()
		alice.SendText(room, "login token")
		w.asked(alice.UserID())
		alice.SendText(room, "1//"+secret)
		w.waitNotice(room, "does not accept these credentials")
		require.False(t, w.shown(room, secret))
		for _, notice := range w.notices(room)[before:] {
			require.NotContains(t, notice, "I removed your message")
		}
	})
	w.stop()
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Contains(t, string(text), "Received command")
	require.NotContains(t, string(text), secret)
	require.NotContains(t, string(text), "correcthorse", "what nobody understood may be a secret")
}

// Where the bot may not remove it, the person is asked to.
func TestSecretThatCannotBeRemoved(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	room := alice.CreateDM(bot)
	w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/redact/", Status: http.StatusForbidden, Code: "M_FORBIDDEN"})
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.redaction/", Status: http.StatusForbidden, Code: "M_FORBIDDEN"})
	alice.SendText(room, "1//0ThatsMySecretWhichIsLongEnough")
	w.waitNotice(room, "Please delete your message yourself")
}
