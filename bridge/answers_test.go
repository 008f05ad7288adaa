package bridge_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// answeringWorld is talk with a bridge that sends statuses and delivery receipts.
func answeringWorld(t *testing.T) (w *world, alice *mxclient.Client, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.change = func(c *bridgeconfig.Config) { c.Matrix.MessageStatusEvents, c.Matrix.DeliveryReceipts = true, true }
	w.timing.SendWait = time.Second
	w.start()
	alice = w.user("alice")
	w.login(alice, anna)
	w.network.Say(carl, direct, "first")
	room = w.room("first")
	alice.WaitText(room, "first")
	return w, alice, room
}

// statuses are what was said of an event.
func (w *world) statuses(room id.RoomID, about id.EventID) (out []*event.BeeperMessageStatusEventContent) {
	for _, e := range w.hs.Events(room) {
		if e.Type.Type != event.BeeperMessageStatus.Type {
			continue
		}
		if status, ok := e.Content.Parsed.(*event.BeeperMessageStatusEventContent); ok && status.RelatesTo.EventID == about {
			out = append(out, status)
		}
	}
	return out
}

// answers are the notices of the bot about an event.
func (w *world) answers(room id.RoomID, about id.EventID) (out []string) {
	for _, e := range w.hs.Messages(room) {
		if e.Sender == bot && e.Content.AsMessage().RelatesTo.GetReplyTo() == about {
			out = append(out, e.Content.AsMessage().Body)
		}
	}
	return out
}

func (w *world) waitAnswer(room id.RoomID, about id.EventID, want string) {
	w.t.Helper()
	w.eventually("an answer", func() bool { return len(w.answers(room, about)) > 0 })
	require.Len(w.t, w.answers(room, about), 1)
	require.Contains(w.t, w.answers(room, about)[0], want)
}

func TestSendStatusAndDeliveryReceipt(t *testing.T) {
	w, alice, room := answeringWorld(t)
	sent := alice.SendText(room, "arrives")
	w.eventually("the status", func() bool { return len(w.statuses(room, sent)) > 0 })
	require.Equal(t, event.MessageStatusSuccess, w.statuses(room, sent)[0].Status)
	require.Equal(t, []string{"first", "arrives"}, w.texts(direct))
	w.eventually("the delivery receipt", func() bool { return w.hs.Receipt(room, bot) == sent })

	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		return accounttest.Fault{Err: fmt.Errorf("no: %w", chat.ErrRefused)}
	})
	refused := alice.SendText(room, "refused")
	w.eventually("the status", func() bool { return len(w.statuses(room, refused)) > 0 })
	require.Equal(t, event.MessageStatusFail, w.statuses(room, refused)[0].Status)
	require.Equal(t, event.MessageStatusGenericError, w.statuses(room, refused)[0].Reason)
	w.waitAnswer(room, refused, "was not bridged: Hangouts refused it")
	w.noEcho(carl, direct, room, "after")
	require.Len(t, w.statuses(room, sent), 1)
	require.Len(t, w.statuses(room, refused), 1)
	require.Equal(t, sent, w.hs.Receipt(room, bot), "none for what was refused")
}

// What Hangouts does not have is said, and what was sent stays.
func TestUnsupportedIsAnswered(t *testing.T) {
	react := func(alice *mxclient.Client, room id.RoomID, target id.EventID) id.EventID {
		return alice.Send(room, event.EventReaction, &event.ReactionEventContent{
			RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: target, Key: "👍"},
		})
	}
	redact := func(alice *mxclient.Client, room id.RoomID, target id.EventID) (done id.EventID) {
		alice.Do("redact", func(ctx context.Context) error {
			resp, err := alice.Matrix.RedactEvent(ctx, room, target, mautrix.ReqRedact{})
			if err == nil {
				done = resp.EventID
			}
			return err
		})
		return done
	}
	edit := func(alice *mxclient.Client, room id.RoomID, target id.EventID) id.EventID {
		content := &event.MessageEventContent{MsgType: event.MsgText, Body: "better"}
		content.SetEdit(target)
		return alice.Send(room, event.EventMessage, content)
	}
	poll := func(alice *mxclient.Client, room id.RoomID, _ id.EventID) id.EventID {
		return alice.Send(room, event.EventUnstablePollStart, &event.PollStartEventContent{})
	}
	for name, c := range map[string]struct {
		act  func(*mxclient.Client, id.RoomID, id.EventID) id.EventID
		says string
	}{
		"reaction":  {react, "Your reaction was not bridged: Hangouts has no reactions"},
		"redaction": {redact, "Your redaction was not bridged: Hangouts cannot delete messages"},
		"edit":      {edit, "Your message was not bridged: Hangouts has no edits"},
		"poll":      {poll, "Your message was not bridged: Hangouts has no polls"},
	} {
		t.Run(name, func(t *testing.T) {
			w, alice, room := answeringWorld(t)
			mine := alice.SendText(room, "mine")
			w.waitTexts(direct, "first", "mine")
			w.eventually("the status", func() bool { return len(w.statuses(room, mine)) > 0 })
			act := c.act(alice, room, mine)
			w.waitAnswer(room, act, c.says)
			w.eventually("the status", func() bool { return len(w.statuses(room, act)) > 0 })
			require.Equal(t, event.MessageStatusFail, w.statuses(room, act)[0].Status)
			require.Equal(t, event.MessageStatusUnsupported, w.statuses(room, act)[0].Reason)
			alice.SendText(room, "next")
			w.waitTexts(direct, "first", "mine", "next")
			row, err := w.main.Bridge.DB.Message.GetPartByMXID(t.Context(), mine)
			require.NoError(t, err)
			require.NotNil(t, row)
			require.Len(t, w.notices(room), 1)
		})
	}
	t.Run("of what was never sent", func(t *testing.T) {
		w, alice, room := answeringWorld(t)
		command := alice.SendText(room, "!hangouts help")
		w.eventually("the help", func() bool { return len(w.notices(room)) == 1 })
		redact(alice, room, command)
		alice.SendText(room, "next")
		w.waitTexts(direct, "first", "next")
		w.eventually("the homeserver to be done", w.hs.Idle)
		require.Len(t, w.notices(room), 1, "there is nothing that others could still see")
	})
}

// What is sent while Hangouts cannot be reached waits its time, in order, and then fails:
// each message is said to have failed, once, and never comes after all.
func TestUnreachableSendsFailInMatrix(t *testing.T) {
	w, alice, room := answeringWorld(t)
	var down atomic.Bool
	down.Store(true)
	w.network.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
		if down.Load() {
			return accounttest.Fault{Err: fmt.Errorf("no network: %w", chat.ErrUnavailable)}
		}
		return accounttest.Fault{}
	})
	began := time.Now()
	lost := []id.EventID{alice.SendText(room, "lost 1"), alice.SendText(room, "lost 2")}
	for _, sent := range lost {
		w.waitAnswer(room, sent, "was not bridged: Hangouts could not be reached in time")
		w.eventually("the status", func() bool { return len(w.statuses(room, sent)) > 0 })
		require.Equal(t, event.MessageStatusRetriable, w.statuses(room, sent)[0].Status)
		require.Equal(t, event.MessageStatusTooOld, w.statuses(room, sent)[0].Reason)
	}
	require.GreaterOrEqual(t, time.Since(began), w.timing.SendWait)

	alice.SendText(room, "waits")
	alice.SendText(room, "waits behind it")
	w.eventually("the request", func() bool {
		var n int
		err := w.main.Store().QueryRow(t.Context(), "SELECT COUNT(*) FROM outbox WHERE origin='matrix'").Scan(&n)
		return err == nil && n == 3
	})
	down.Store(false)
	alice.SendText(room, "recovered")
	w.waitTexts(direct, "first", "waits", "waits behind it", "recovered")
	w.noEcho(carl, direct, room, "after")
	require.Equal(t, []string{"first", "waits", "waits behind it", "recovered", "after"}, w.texts(direct))
	for _, sent := range lost {
		require.Len(t, w.answers(room, sent), 1)
		require.Len(t, w.statuses(room, sent), 1)
	}
	require.Len(t, w.notices(room), len(lost))
}
