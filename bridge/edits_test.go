package bridge_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mau.fi/util/variationselector"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// able is a world with a network on which messages can be changed; alice and bob are in the room of the group.
func able(t *testing.T) (w *world, alice, bob *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.network.LimitFeatures(nil)
	alice, bob, room = w.share()
	return w, alice, bob, room
}

// ghosted is a world with such a network in which alice, in the room of the group, has no double puppet.
func ghosted(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.network.LimitFeatures(nil)
	w.change = func(c *bridgeconfig.Config) { c.DoublePuppet.Secrets = nil }
	w.start()
	alice = w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, group, "first")
	room = w.room("first")
	alice.WaitText(room, "first")
	return w, alice, room
}

// idOf is the event of the network with a text.
func (w *world) idOf(text string) chat.EventID {
	w.t.Helper()
	for _, e := range w.network.Events(group) {
		if e.Message != nil && e.Message.Text.String() == text {
			return e.ID
		}
	}
	w.t.Fatal("no event with the text", text)
	return ""
}

// mxidOf is the event of a room with a text.
func (w *world) mxidOf(room id.RoomID, text string) (found id.EventID) {
	w.t.Helper()
	w.eventually(text, func() bool {
		for _, e := range w.hs.Messages(room) {
			if e.Content.AsMessage().Body == text {
				found = e.ID
			}
		}
		return found != ""
	})
	return found
}

// edits are the edits in a room, as "who: target: text".
func (w *world) edits(room id.RoomID) (out []string) {
	for _, e := range w.hs.Messages(room) {
		if m := e.Content.AsMessage(); m.NewContent != nil && e.Sender != bot {
			out = append(out, strings.Join([]string{e.Sender.Localpart(), string(m.RelatesTo.GetReplaceID()), m.NewContent.Body}, ": "))
		}
	}
	return out
}

func (w *world) ofType(room id.RoomID, kind event.Type) (found []*event.Event) {
	for _, e := range w.hs.Events(room) {
		if e.Type == kind {
			found = append(found, e)
		}
	}
	return found
}

// reactions are those of a room that were not taken away, as "who: key".
func (w *world) reactions(room id.RoomID, to id.EventID) (out []string) {
	for _, e := range w.ofType(room, event.EventReaction) {
		if r := e.Content.AsReaction().RelatesTo; r.EventID == to {
			out = append(out, e.Sender.Localpart()+": "+variationselector.Remove(r.Key))
		}
	}
	return out
}

func (w *world) waitReactions(room id.RoomID, to id.EventID, want ...string) {
	w.t.Helper()
	w.eventually("the reactions "+strings.Join(want, ", "), func() bool { return slices.Equal(w.reactions(room, to), want) })
}

func (w *world) redact(user *mxclient.Client, room id.RoomID, target id.EventID) (done id.EventID) {
	user.Do("redact", func(ctx context.Context) error {
		resp, err := user.Matrix.RedactEvent(ctx, room, target, mautrix.ReqRedact{})
		if err == nil {
			done = resp.EventID
		}
		return err
	})
	return done
}

func react(user *mxclient.Client, room id.RoomID, target id.EventID, key string) id.EventID {
	return user.Send(room, event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: target, Key: key}})
}

// passed waits until everything of the network is delivered to a room.
func (w *world) passed(room id.RoomID) {
	w.t.Helper()
	text := "mark " + time.Now().String()
	w.network.Say(carl, group, text)
	w.mxidOf(room, text)
}

func editOf(author chat.PersonID, target chat.EventID, text string) chat.Event {
	return chat.Event{Conversation: group, Author: author, Kind: chat.KindEdit, Edit: &chat.Edit{Target: target, Message: chat.Message{Text: chat.Plain(text)}}}
}

func TestEditsBothWays(t *testing.T) {
	w, alice, _, room := able(t)
	first := w.mxidOf(room, "first")
	w.network.Post(editOf(carl, w.idOf("first"), "better"))
	want := []string{ghost(carl).Localpart() + ": " + string(first) + ": better"}
	w.eventually("carl's edit", func() bool { return slices.Equal(w.edits(room), want) })

	sent := alice.SendText(room, "mine")
	w.waitTexts(group, "first", "mine")
	alice.Send(room, event.EventMessage, edit(sent, "mine, better"))
	w.eventually("alice's edit", func() bool { return len(w.did(chat.RequestEdit)) == 1 })
	got := w.did(chat.RequestEdit)[0].Edit
	require.Equal(t, w.idOf("mine"), got.Target)
	require.Equal(t, "mine, better", got.Message.Text.String())

	w.network.Say(anna, group, "from my phone")
	phone := w.mxidOf(room, "from my phone")
	w.network.Post(editOf(anna, w.idOf("from my phone"), "from my other phone"))
	want = append(want, "alice: "+string(sent)+": mine, better", "alice: "+string(phone)+": from my other phone")
	w.eventually("the edit of the phone", func() bool { return slices.Equal(w.edits(room), want) })

	// What was typed in Matrix is edited on the phone.
	w.network.Post(editOf(anna, w.idOf("mine"), "best"))
	want = append(want, "alice: "+string(sent)+": best")
	w.eventually("the edit of what was typed", func() bool { return slices.Equal(w.edits(room), want) })

	foreign := alice.Send(room, event.EventMessage, edit(first, "forged"))
	w.waitAnswer(room, foreign, "Only who wrote a message can change it")
	w.network.Post(editOf(carl, "unknown", "of nothing"))
	w.passed(room)
	require.Equal(t, append(want, "alice: "+string(first)+": forged"), w.edits(room))
	require.Len(t, w.did(chat.RequestEdit), 1)
}

// Without a double puppet the bridge cannot edit what its user typed: the new text comes as a message.
func TestEditsWithoutDoublePuppet(t *testing.T) {
	w, alice, room := ghosted(t)
	alice.SendText(room, "mine")
	w.waitTexts(group, "first", "mine")
	w.network.Post(editOf(anna, w.idOf("mine"), "on my phone"))
	w.mxidOf(room, "* on my phone")
	require.Empty(t, w.edits(room))
	w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: w.idOf("mine")}})
	w.eventually("the bot to remove it", func() bool { return !w.shown(room, "mine") })
}

// A text that became several messages cannot be edited as one; its deletion deletes them all.
func TestChangesOfAMessageInPieces(t *testing.T) {
	w, alice, _, room := able(t)
	w.network.LimitFeatures(func(c chat.Conversation) chat.Features {
		f := accounttest.EveryFeature(c)
		f.MaxText = 10
		return f
	})
	long := alice.SendText(room, "twelve bytes and more")
	w.eventually("the pieces", func() bool { return len(w.texts(group)) == 4 })
	w.waitAnswer(room, alice.Send(room, event.EventMessage, edit(long, "short")), "cannot be edited as one")
	require.Empty(t, w.did(chat.RequestEdit))
	w.redact(alice, room, long)
	w.eventually("three deletions", func() bool { return len(w.did(chat.RequestDeletion)) == 3 })
	w.passed(room)
	var deleted []chat.EventID
	for _, r := range w.did(chat.RequestDeletion) {
		deleted = append(deleted, r.Deletion.Target)
	}
	events := w.network.Events(group)
	require.Equal(t, []chat.EventID{events[1].ID, events[2].ID, events[3].ID}, deleted)
	redactions := w.ofType(room, event.EventRedaction)
	require.Len(t, redactions, 1, "only alice's own")
}

// An edit keeps the files of a message, and what it answers.
func TestEditKeepsTheRest(t *testing.T) {
	w, alice, _, room := able(t)
	w.network.PutFile("pic", accounttest.File{Data: picture(1)})
	e := w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("caption"), Reply: &chat.Quote{Target: w.idOf("first")},
		Attachments: []chat.Attachment{{Kind: chat.AttachPhoto, Ref: []byte("pic"), Name: "p.png"}}}})
	shown := w.mxidOf(room, "caption")
	content := &event.MessageEventContent{MsgType: event.MsgImage, Body: "better caption", FileName: "p.png", URL: "mxc://x/y"}
	content.SetEdit(shown)
	alice.Send(room, event.EventMessage, content)
	w.eventually("the edit", func() bool { return len(w.did(chat.RequestEdit)) == 1 })
	got := w.did(chat.RequestEdit)[0].Edit
	require.Equal(t, e.ID, got.Target)
	require.Equal(t, "better caption", got.Message.Text.String())
	require.Equal(t, e.Message.Attachments, got.Message.Attachments)
	require.Equal(t, e.Message.Reply, got.Message.Reply)
	// And inwards: the picture stays the same file.
	uploads := w.hs.MediaCount()
	again := editOf(anna, e.ID, "best caption")
	again.Edit.Message.Attachments = e.Message.Attachments
	w.network.Post(again)
	w.eventually("the caption", func() bool {
		all := w.edits(room)
		return len(all) == 2 && strings.HasSuffix(all[1], "best caption")
	})
	all := w.hs.Messages(room)
	require.NotEmpty(t, all[len(all)-1].Content.AsMessage().NewContent.URL)
	require.LessOrEqual(t, w.hs.MediaCount()-uploads, 1)
}

// A message with a link or a place can be edited, too.
func TestEditOfAMessageWithALink(t *testing.T) {
	w, alice, _, room := able(t)
	attached := []chat.Attachment{{Kind: chat.AttachLink, URL: "https://example.com/doc", Name: "Doc"}, {Kind: chat.AttachPlace, Latitude: 1, Longitude: 2}}
	e := w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("see"), Attachments: attached}})
	alice.Send(room, event.EventMessage, edit(w.mxidOf(room, "see"), "see there"))
	w.eventually("the edit", func() bool { return len(w.did(chat.RequestEdit)) == 1 })
	require.Equal(t, chat.Edit{Target: e.ID, Message: chat.Message{Text: chat.Plain("see there"), Attachments: attached}}, *w.did(chat.RequestEdit)[0].Edit)
}

func TestDeletionsBothWays(t *testing.T) {
	w, alice, bob, room := able(t)
	sent := alice.SendText(room, "mine")
	w.waitTexts(group, "first", "mine")
	w.waitAnswer(room, w.redact(w.moderator(bob, room), room, w.mxidOf(room, "first")), "Only who wrote a message can change it")
	require.Empty(t, w.did(chat.RequestDeletion))
	w.network.Say(carl, group, "second")
	w.mxidOf(room, "second")
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: w.idOf("second")}})
	w.eventually("carl's deletion", func() bool { return !w.shown(room, "second") })
	w.redact(alice, room, sent)
	w.eventually("alice's deletion", func() bool { return len(w.did(chat.RequestDeletion)) == 1 })
	require.Equal(t, w.idOf("mine"), w.did(chat.RequestDeletion)[0].Deletion.Target)
	w.passed(room)
	var who []string
	for _, e := range w.ofType(room, event.EventRedaction) {
		who = append(who, e.Sender.Localpart())
	}
	require.Equal(t, []string{"bob", ghost(carl).Localpart(), "alice"}, who, "each once, by who wrote the message")
}

func TestReactionsBothWays(t *testing.T) {
	w, alice, bob, room := able(t)
	first, target := w.mxidOf(room, "first"), w.idOf("first")
	reaction := func(author chat.PersonID, emoji string, removed bool) {
		w.network.Post(chat.Event{Conversation: group, Author: author, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: emoji}, Removed: removed}})
	}
	by := ghost(carl).Localpart()
	reaction(carl, "👍", false)
	reaction(carl, "❤", false)
	w.waitReactions(room, first, by+": 👍", by+": ❤")
	heart := react(alice, room, first, "❤️")
	w.eventually("alice's heart", func() bool { return len(w.did(chat.RequestReaction)) == 1 })
	require.Equal(t, chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "❤"}}, *w.did(chat.RequestReaction)[0].Reaction)
	reaction(bert, "👍", false) // bob, on his phone
	w.waitReactions(room, first, by+": 👍", by+": ❤", "alice: ❤", "bob: 👍")
	reaction(carl, "👍", true)
	w.waitReactions(room, first, by+": ❤", "alice: ❤", "bob: 👍")
	w.redact(alice, room, heart)
	w.eventually("the end of alice's heart", func() bool { return len(w.did(chat.RequestReaction)) == 2 })
	require.True(t, w.did(chat.RequestReaction)[1].Reaction.Removed)
	w.waitReactions(room, first, by+": ❤", "bob: 👍")
	w.waitAnswer(room, w.redact(w.moderator(bob, room), room, w.reactionOf(room, first, by)), "Only who wrote a message can change it")
	for _, words := range []string{"well said", "mxc://x/y", strings.Repeat("👍", 20)} {
		w.waitAnswer(room, react(alice, room, first, words), "Only emoji can be reactions")
	}
	reaction(carl, "👎", true)
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindReactions, Reactions: &chat.Reactions{Target: target, List: []chat.ReactionCount{{Emoji: chat.Emoji{Text: "🎉"}, Count: 2, People: []chat.PersonID{carl, anna}}}}})
	w.passed(room)
	w.eventually("the state of the reactions", func() bool {
		got := w.reactions(room, first)
		return len(got) == 5 && slices.Contains(got, by+": 🎉") && slices.Contains(got, "alice: 🎉") && !slices.Contains(got, "bob: 👍")
	})
	require.Len(t, w.did(chat.RequestReaction), 2)
}

func TestRepliesAndThreadsAsSuch(t *testing.T) {
	w, alice, _, room := able(t)
	first := w.mxidOf(room, "first")
	alice.Send(room, event.EventMessage, answering(first, "> <@x:y> first\n\nanswer"))
	alice.Send(room, event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "aside", RelatesTo: &event.RelatesTo{Type: event.RelThread, EventID: first}})
	w.waitTexts(group, "first", "answer", "aside")
	events := w.network.Events(group)
	require.Equal(t, events[0].ID, events[1].Message.Reply.Target)
	require.Empty(t, events[1].Message.Thread)
	require.Equal(t, events[0].ID, events[2].Message.Thread)
	require.Nil(t, events[2].Message.Reply)
	say := func(text string, reply *chat.Quote, thread chat.EventID) *event.MessageEventContent {
		w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain(text), Reply: reply, Thread: thread}})
		var found *event.MessageEventContent
		w.eventually(text, func() bool {
			for _, e := range w.hs.Messages(room) {
				if m := e.Content.AsMessage(); strings.HasSuffix(m.Body, text) {
					found = m
				}
			}
			return found != nil
		})
		return found
	}
	require.Equal(t, first, say("yes", &chat.Quote{Target: events[0].ID}, "").RelatesTo.GetNonFallbackReplyTo())
	aside := say("also aside", nil, events[0].ID)
	require.Equal(t, first, aside.RelatesTo.GetThreadParent())
	require.Equal(t, w.mxidOf(room, "aside"), aside.RelatesTo.GetReplyTo(), "for clients without threads")
	gone := say("and that", &chat.Quote{Target: "older", Author: bert, Text: chat.Plain("something old")}, "")
	require.Equal(t, "> Bert Blum: something old\nand that", gone.Body)
	require.Empty(t, gone.RelatesTo.GetReplyTo())
}

// Changes arrive once when the answers of the homeserver get lost and it forgets what it answered.
func TestChangesArriveOnce(t *testing.T) {
	w, _, _, room := able(t)
	first, target := w.mxidOf(room, "first"), w.idOf("first")
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Drop: true, After: true, Times: 2})
	w.network.Post(editOf(carl, target, "better"))
	w.eventually("the edit", func() bool { return len(w.edits(room)) > 0 })
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.reaction/", Drop: true, After: true, Times: 2, Seen: func(*http.Request) { go w.hs.ForgetSends() }})
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "👍"}}})
	w.waitReactions(room, first, ghost(carl).Localpart()+": 👍")
	w.passed(room)
	require.Len(t, w.edits(room), 1)
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "👍"}, Removed: true}})
	w.waitReactions(room, first)
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/redact/", Drop: true, After: true, Times: 2})
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: target}})
	w.eventually("the deletion", func() bool { return !w.shown(room, "first") })
	w.passed(room)
	require.Len(t, w.ofType(room, event.EventRedaction), 2)
}

// A restored database knows neither the edit nor the reaction that it has sent.
func TestChangesAfterARestore(t *testing.T) {
	w, alice, _, room := able(t)
	first, target := w.mxidOf(room, "first"), w.idOf("first")
	w.passed(room)
	copied := w.backup()
	w.network.Post(editOf(carl, target, "better"))
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "👍"}}})
	w.waitReactions(room, first, ghost(carl).Localpart()+": 👍")
	react(alice, room, first, "🎉")
	w.eventually("alice's reaction", func() bool { return len(w.did(chat.RequestReaction)) == 1 })
	w.passed(room)
	w.restore(copied)
	w.start()
	w.passed(room)
	require.Len(t, w.edits(room), 1)
	require.ElementsMatch(t, []string{ghost(carl).Localpart() + ": 👍", "alice: 🎉"}, w.reactions(room, first))
	reacted := slices.DeleteFunc(w.network.Events(group), func(e chat.Event) bool { return e.Kind != chat.KindReaction })
	require.Len(t, reacted, 2, "alice's is asked for again, and changes nothing")
	w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "🎉"}, Removed: true}})
	w.waitReactions(room, first, ghost(carl).Localpart()+": 👍")
}

// The history of a new room shows messages as they became.
func TestHistoryOfChangedMessages(t *testing.T) {
	w := newWorld(t)
	w.network.LimitFeatures(nil)
	w.network.Say(carl, group, "wrogn")
	w.network.Say(carl, group, "never")
	w.network.Say(bert, group, "kept")
	w.network.Post(editOf(carl, w.idOf("wrogn"), "wrong"))
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: w.idOf("never")}})
	for n, removed := range []bool{false, false, true} {
		w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: w.idOf("kept"), Emoji: chat.Emoji{Text: []string{"👍", "🎉", "🎉"}[n]}, Removed: removed}})
	}
	w.network.Post(chat.Event{Conversation: group, Author: anna, Kind: chat.KindMessage, Message: &chat.Message{Text: chat.Plain("answer"), Reply: &chat.Quote{Target: w.idOf("kept")}, Thread: w.idOf("wrogn")}})
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := w.room("answer")
	w.waitReactions(room, w.mxidOf(room, "kept"), ghost(carl).Localpart()+": 👍")
	w.waitLines(room, line{ghost(carl), "wrong"}, line{ghost(bert), "kept"}, line{alice.UserID(), "answer"})
	all := w.hs.Messages(room)
	answer := all[len(all)-1].Content.AsMessage()
	require.Equal(t, w.mxidOf(room, "kept"), answer.RelatesTo.GetNonFallbackReplyTo())
	require.Equal(t, w.mxidOf(room, "wrong"), answer.RelatesTo.GetThreadParent())
	require.Empty(t, w.edits(room))
}

// What a room offers follows from what the conversation has.
func TestRoomsOfferWhatTheNetworkHas(t *testing.T) {
	w, _, _, room := able(t)
	var offered *event.RoomFeatures
	w.eventually("the offers", func() bool {
		all := w.ofType(room, event.StateBeeperRoomFeatures)
		if len(all) > 0 {
			offered = all[len(all)-1].Content.Parsed.(*event.RoomFeatures)
		}
		return len(all) > 0
	})
	full := event.CapLevelFullySupported
	for _, level := range []event.CapabilitySupportLevel{offered.Edit, offered.Delete, offered.Reaction, offered.Reply, offered.Thread} {
		require.Equal(t, full, level)
	}
}

// moderator gives a user the power to redact what others wrote.
func (w *world) moderator(user *mxclient.Client, room id.RoomID) *mxclient.Client {
	w.t.Helper()
	_, err := w.main.Matrix.Bot.SetPowerLevel(w.t.Context(), room, user.UserID(), 99)
	require.NoError(w.t, err)
	return user
}

// reactionOf is somebody's reaction to an event.
func (w *world) reactionOf(room id.RoomID, to id.EventID, who string) id.EventID {
	for _, e := range w.ofType(room, event.EventReaction) {
		if e.Sender.Localpart() == who && e.Content.AsReaction().RelatesTo.EventID == to {
			return e.ID
		}
	}
	w.t.Fatal("no reaction of", who)
	return ""
}

// Who is relayed may change what they wrote, and nothing else.
func TestChangesByWhoIsRelayed(t *testing.T) {
	w, alice, _, eve, room := relaying(t)
	w.network.LimitFeatures(nil)
	mine := eve.SendText(room, "mine")
	w.eventually("the message", func() bool { return slices.Contains(w.texts(group), "eve: mine") })
	theirs := alice.SendText(room, "alice's")
	w.eventually("alice's message", func() bool { return slices.Contains(w.texts(group), "alice's") })
	w.waitAnswer(room, eve.Send(room, event.EventMessage, edit(theirs, "forged")), "Only who wrote a message can change it")
	w.waitAnswer(room, w.redact(w.moderator(eve, room), room, theirs), "Only who wrote a message can change it")
	react(eve, room, w.mxidOf(room, "first"), "👍")
	eve.Send(room, event.EventMessage, edit(mine, "mine, better"))
	w.eventually("the edit", func() bool { return len(w.did(chat.RequestEdit)) == 1 })
	require.Equal(t, "eve: mine, better", w.did(chat.RequestEdit)[0].Edit.Message.Text.String())
	w.redact(eve, room, mine)
	w.eventually("the deletion", func() bool { return len(w.did(chat.RequestDeletion)) == 1 })
	require.Equal(t, w.idOf("eve: mine"), w.did(chat.RequestDeletion)[0].Deletion.Target)
	require.Empty(t, w.did(chat.RequestReaction))
}

// A bridge that dies while changes are on their way makes and shows each once.
func TestChangesOutliveTheBridge(t *testing.T) {
	w, alice, _, room := able(t)
	first, target := w.mxidOf(room, "first"), w.idOf("first")
	sent := alice.SendText(room, "mine")
	w.waitTexts(group, "first", "mine")
	w.passed(room)
	w.network.HoldPushes(true)
	alice.Send(room, event.EventMessage, edit(sent, "mine, better"))
	react(alice, room, first, "👍")
	w.eventually("alice's requests", func() bool { return len(w.did(chat.RequestReaction)) == 1 })
	w.network.Post(editOf(carl, target, "better"))
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: target, Emoji: chat.Emoji{Text: "🎉"}}})
	w.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.", User: string(ghost(carl)), Drop: true, After: true})
	w.network.HoldPushes(false)
	w.eventually("the edit and the first try of the reaction", func() bool { return len(w.edits(room)) == 2 })
	w.stop()
	w.hs.ClearFaults()
	w.start()
	w.passed(room)
	require.Equal(t, []string{"alice: " + string(sent) + ": mine, better", ghost(carl).Localpart() + ": " + string(first) + ": better"}, w.edits(room))
	require.ElementsMatch(t, []string{"alice: 👍", ghost(carl).Localpart() + ": 🎉"}, w.reactions(room, first))
	require.Len(t, w.did(chat.RequestEdit), 1)
	require.Len(t, w.did(chat.RequestReaction), 1)
}

// So does older history, and its reactions come with it.
func TestOlderHistoryOfChangedMessages(t *testing.T) {
	w := newWorld(t)
	w.network.LimitFeatures(nil)
	w.timing.Overlap = time.Nanosecond // catch-ups bring nothing of the history
	w.change = func(c *bridgeconfig.Config) { c.Bridge.Backfill.MaxInitialMessages = 1 }
	w.network.Say(carl, group, "wrogn")
	w.network.Say(carl, group, "never")
	w.network.Post(editOf(carl, w.idOf("wrogn"), "wrong"))
	w.network.Post(chat.Event{Conversation: group, Author: bert, Kind: chat.KindReaction, Reaction: &chat.Reaction{Target: w.idOf("wrogn"), Emoji: chat.Emoji{Text: "👍"}}})
	w.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindDeletion, Deletion: &chat.Deletion{Target: w.idOf("never")}})
	w.network.Say(carl, group, "last")
	w.start()
	alice := w.user("alice")
	w.login(alice, anna)
	room := w.room("last")
	alice.SendText(room, "!hangouts history 10")
	w.waitNotice(room, "One older message is above")
	w.waitReactions(room, w.mxidOf(room, "wrong"), ghost(bert).Localpart()+": 👍")
	require.NotContains(t, w.lines(room), line{ghost(carl), "never"})
	require.NotContains(t, w.lines(room), line{ghost(carl), "wrogn"})
	require.Empty(t, w.edits(room))
}
