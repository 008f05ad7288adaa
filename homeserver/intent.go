package homeserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Intent is a Matrix user whose messages and rooms can be made again without doubling.
type Intent struct {
	*matrix.ASIntent
	c *Connector
}

// SendMessage sends an event. What shows an event of the network goes through the sender, and a
// redaction that is repeated stays one.
func (i *Intent) SendMessage(ctx context.Context, room id.RoomID, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra) (*mautrix.RespSendEvent, error) {
	if redaction, ok := content.Parsed.(*event.RedactionEventContent); ok {
		return i.redact(ctx, room, redaction, content, extra)
	}
	if i.GetMXID() == i.c.Bot.UserID {
		content = i.c.host.BotSays(content)
	}
	if part, ok := partOf(ctx, kind, content, extra); ok {
		return i.c.sender.send(ctx, i, room, part, kind, content, extra)
	}
	return i.ASIntent.SendMessage(ctx, room, kind, content, extra)
}

// redact takes an event out of a room. For who is not in the room the bot does where it may: a redaction of
// their own would bring them back.
func (i *Intent) redact(ctx context.Context, room id.RoomID, redaction *event.RedactionEventContent, content *event.Content, extra *bridgev2.MatrixSendExtra) (*mautrix.RespSendEvent, error) {
	once := bridgev2.MatrixSendExtra{}
	if extra != nil {
		once = *extra
	}
	if once.TransactionID == "" {
		once.TransactionID = OnceID("redact", redaction.Redacts)
	}
	as := bridgev2.MatrixAPI(i.ASIntent)
	if away := i.GetMXID() != i.c.Bot.UserID && !i.c.StateStore.IsInRoom(ctx, room, i.GetMXID()); away {
		as = i.c.Connector.BotIntent()
	}
	return attempt(ctx, func() (*mautrix.RespSendEvent, error) {
		resp, err := as.SendMessage(ctx, room, event.EventRedaction, content, &once)
		if as.GetMXID() != i.GetMXID() && errors.Is(err, mautrix.MForbidden) && !i.staysOut(ctx, room) {
			resp, err = i.ASIntent.SendMessage(ctx, room, event.EventRedaction, content, &once)
		}
		return resp, err
	})
}

// OnceID is the transaction id of the one thing of a kind that is sent because of an event.
func OnceID(kind string, e id.EventID) string {
	sum := sha256.Sum256([]byte(e))
	return kind + "_" + hex.EncodeToString(sum[:16])
}

// notThere is bridgev2's reason for taking somebody out of a room, nowhere is ours.
const (
	notThere = "User is not in remote chat"
	nowhere  = "Not in the conversation any more"
)

// SendState sets the state of a room. bridgev2 only logs what fails; the attempt has it.
// mautrix: Portal.sendRoomMeta and syncParticipants in bridgev2/portal.go, until they return the error, and ask for the reason.
func (i *Intent) SendState(ctx context.Context, room id.RoomID, kind event.Type, key string, content *event.Content, at time.Time) (*mautrix.RespSendEvent, error) {
	if member, ok := content.Parsed.(*event.MemberEventContent); ok && member.Reason == notThere {
		member.Reason = nowhere
	}
	resp, err := i.ASIntent.SendState(ctx, room, kind, key, content, at)
	fails(ctx, err)
	return resp, err
}

// CreateRoom makes a room, or finds the one that an earlier attempt made.
func (i *Intent) CreateRoom(ctx context.Context, req *mautrix.ReqCreateRoom) (id.RoomID, error) {
	return i.c.rooms.create(ctx, i, req)
}

// DeleteRoom deletes a room and its alias.
func (i *Intent) DeleteRoom(ctx context.Context, room id.RoomID, puppetsOnly bool) error {
	i.c.rooms.dropAlias(ctx, room)
	return i.ASIntent.DeleteRoom(ctx, room, puppetsOnly)
}

// EnsureJoined joins a user to a room. The framework has double puppets join whenever a
// login sees something of a room for the first time in a run; one that is absent stays out.
// mautrix: UserLogin.MarkInPortal in bridgev2/space.go, until it can be told not to join.
func (i *Intent) EnsureJoined(ctx context.Context, room id.RoomID, extra ...bridgev2.EnsureJoinedParams) error {
	if i.staysOut(ctx, room) {
		return nil
	}
	if i.GetMXID() == i.c.Bot.UserID {
		return i.joinBot(ctx, room, extra)
	}
	return i.ASIntent.EnsureJoined(ctx, room, extra...)
}

// joinBot joins the bot, and returns when it knows the room: nothing may be said in the clear in
// one that was encrypted before the bot was invited.
// mautrix: matrix.ASIntent.EnsureJoined only logs that it could not read the state, until it
// returns that.
func (i *Intent) joinBot(ctx context.Context, room id.RoomID, extra []bridgev2.EnsureJoinedParams) error {
	var params appservice.EnsureJoinedParams
	if len(extra) > 0 {
		params.Via = extra[0].Via
	}
	if err := i.Matrix.EnsureJoined(ctx, room, params); err != nil {
		return err
	}
	if _, err := i.Matrix.State(WithPatience(ctx), room); err != nil {
		return fmt.Errorf("read the room that the bot has joined: %w", err)
	}
	return nil
}

func (i *Intent) staysOut(ctx context.Context, room id.RoomID) bool {
	return i.IsDoublePuppet() && i.c.host.StaysOut(ctx, room, i.GetMXID())
}

// EnsureInvited invites a user to a room, unless they are absent from it.
func (i *Intent) EnsureInvited(ctx context.Context, room id.RoomID, user id.UserID) error {
	if i.c.host.StaysOut(ctx, room, user) {
		return nil
	}
	return i.ASIntent.EnsureInvited(ctx, room, user)
}
