package bridge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// tagged says how a user sees a room.
func tagged(t *testing.T, client *mxclient.Client, room id.RoomID) string {
	tags, err := client.Matrix.GetTags(t.Context(), room)
	require.NoError(t, err)
	_, low := tags.Tags["m.lowpriority"]
	url := client.Matrix.BuildClientURL("v3", "pushrules", "global", "room", string(room))
	_, err = client.Matrix.MakeRequest(t.Context(), http.MethodGet, url, nil, nil)
	muted := err == nil
	return fmt.Sprint("low priority: ", low, ", muted: ", muted)
}

// An archived conversation is of low priority, and what is said of it stands in the topic of a room
// that is nobody else's; a new view of the account changes it again.
func TestArchivedElsewhere(t *testing.T) {
	w, alice, _ := managed(t)
	w.network.Say(carl, direct, "in direct")
	room := w.room("in direct")
	w.network.Archive(anna, direct, true)
	w.eventually("low priority", func() bool { return strings.HasPrefix(tagged(t, alice, room), "low priority: true") })
	w.eventually("a word of it", func() bool { return strings.Contains(w.state(room, "m.room.topic"), "archived") })
	w.network.Archive(anna, direct, false)
	w.eventually("no low priority", func() bool { return strings.HasPrefix(tagged(t, alice, room), "low priority: false") })
	w.eventually("no word of it", func() bool { return w.state(room, "m.room.topic") == "" })
}

// A conversation that is muted by command is muted in Matrix as well.
func TestMutedByCommand(t *testing.T) {
	w, alice, room := managed(t)
	alice.SendText(room, "!hangouts mute")
	w.waitNotice(room, "is muted")
	w.eventually("silence", func() bool { return strings.HasSuffix(tagged(t, alice, room), "muted: true") })
	alice.SendText(room, "!hangouts unmute")
	w.eventually("noise", func() bool { return strings.HasSuffix(tagged(t, alice, room), "muted: false") })
}

// A message that expires is redacted at its time, also one whose time comes while the bridge is
// down.
func TestExpiredMessagesAreRedacted(t *testing.T) {
	w, alice, room := managed(t)
	gone := func(text string) bool { return !strings.Contains(fmt.Sprint(w.lines(room)), text) }
	say := func(text string, lasts time.Duration) {
		w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain(text)},
			Expires: time.Now().Add(lasts).UnixMicro()})
		alice.WaitText(room, text)
	}
	say("soon over", time.Second)
	say("stays", time.Hour)
	w.eventually("the end of it", func() bool { return gone("soon over") })
	say("over meanwhile", 2*time.Second)
	w.stop()
	require.False(t, gone("over meanwhile"))
	time.Sleep(2 * time.Second)
	w.start()
	w.eventually("the end of it", func() bool { return gone("over meanwhile") })
	require.False(t, gone("stays"))
}

// What is written in Matrix in a conversation without history disappears, too.
func TestOwnMessagesExpire(t *testing.T) {
	w, alice, room := managed(t)
	w.network.Expire(time.Second)
	gone := func(text string) bool { return !strings.Contains(fmt.Sprint(w.lines(room)), text) }
	alice.SendText(room, "with history")
	w.waitTexts(group, "first", "with history")
	w.ask(alice, room, "history off", "History is off now.")
	alice.SendText(room, "without history")
	w.waitTexts(group, "first", "with history", "without history")
	w.eventually("the end of it", func() bool { return gone("without history") })
	require.False(t, gone("with history"))
}

func TestNewcomersAreGreeted(t *testing.T) {
	w := newWorld(t)
	w.start()
	alice := w.user("alice")
	w.eventually("the bot", func() bool { return w.hs.UserExists(bot) })
	room := alice.CreateDM(bot)
	alice.WaitText(room, "Hello! I connect your Hangouts account with Matrix.")
	alice.SendText(room, "help")
	w.waitNotice(room, "Authentication")
	help := w.notices(room)[0]
	require.Contains(t, help, "accept** - Accept the invitation to this conversation")
	for _, command := range []string{"accept", "decline", "leave", "mute", "archive", "unarchive", "delete-chat", "history", "link", "easter-egg", "rename", "add",
		"remove", "create-group", "join", "do-not-disturb", "search", "start-chat", "resolve-identifier", "open", "send-anyway", "login", "logout"} {
		require.Regexp(t, `\*\*`+command+`\*\*( [^\n]*)? - \w`, help)
	}
	for _, other := range []string{"remote network", "double puppet", "block-user", "image pack", "portal room"} {
		require.NotContains(t, help, other)
	}
}
