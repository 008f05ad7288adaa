package portal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// edit is the new content of a message, for the parts that the room has of it.
type edit struct {
	simplevent.EventMeta
	*converted
	id     networkid.MessageID // of the edit itself
	target networkid.MessageID
}

var _ bridgev2.RemoteEdit = (*edit)(nil)

// GetTargetMessage is the message that is edited.
func (e *edit) GetTargetMessage() networkid.MessageID { return e.target }

// ConvertEdit pairs the new parts with those of the room: a part too many there is redacted, one too
// few is added.
func (e *edit) ConvertEdit(_ context.Context, _ *bridgev2.Portal, _ bridgev2.MatrixAPI, existing []*database.Message) (*bridgev2.ConvertedEdit, error) {
	changes, left := &bridgev2.ConvertedEdit{}, slices.Clone(existing)
	var added []*bridgev2.ConvertedMessagePart
	for _, part := range e.parts {
		n := slices.IndexFunc(left, func(row *database.Message) bool { return row.PartID == part.ID })
		if n < 0 {
			added = append(added, part)
			continue
		}
		changes.ModifiedParts = append(changes.ModifiedParts, part.ToEditPart(left[n]))
		left = slices.Delete(left, n, n+1)
	}
	changes.DeletedParts = left
	if len(added) > 0 {
		changes.AddedParts = &bridgev2.ConvertedMessage{Parts: added}
	}
	return changes, nil
}

// remoteEdit is an edit in bridgev2's form. Where the room's message is not ours to edit, the new text
// comes as a message. Nothing is edited that is not in the room, because it is older, or that shows this
// edit or a later one.
func (h *Handler) remoteEdit(ctx context.Context, e chat.Event, c chat.Conversation, meta simplevent.EventMeta) (bridgev2.RemoteEvent, error) {
	room, rows, err := h.inRoom(ctx, meta.PortalKey, e)
	if err != nil || !slices.ContainsFunc(rows, func(row *database.Message) bool { return !ids.Shows(row, e) }) {
		return nil, err
	}
	ours, err := h.canEdit(ctx, room, rows)
	if err != nil {
		return nil, err
	}
	message := e.Edit.Message
	if !ours {
		message.Text = corrected(message.Text)
	}
	content := &converted{}
	content.message(&message, h.callable(ctx, e, c))
	if !ours {
		return correction(meta, e, content), nil
	}
	for _, part := range content.parts {
		part.DBMetadata = &ids.MessageMetadata{Edited: e.Time, Edit: e.ID}
	}
	meta.Sender.ForceEditOrigSender = true
	return &edit{meta.WithType(bridgev2.RemoteEventEdit), content, ids.MakeMessageID(e.Conversation, e.ID), rows[0].ID}, nil
}

// correction is an edit as further parts of the message that is edited: they are deleted with it.
func correction(meta simplevent.EventMeta, e chat.Event, content *converted) *message {
	m := newMessage(meta, e, content)
	m.id = ids.MakeMessageID(e.Conversation, e.Edit.Target)
	for n, part := range m.parts {
		part.ID = ids.MakeCorrectionPartID(e.ID, n)
	}
	return m
}

// inRoom is a conversation's room with the rows of the message that an event is about, none if the room has none.
func (h *Handler) inRoom(ctx context.Context, key networkid.PortalKey, e chat.Event) (*bridgev2.Portal, []*database.Message, error) {
	room := h.options.room(ctx, key)
	if room == nil || room.MXID == "" {
		return nil, nil, nil
	}
	rows, err := room.Bridge.DB.Message.GetAllPartsByID(ctx, key.Receiver, ids.MakeMessageID(e.Conversation, e.Target()))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
	}
	return room, rows, nil
}

// canEdit reports whether the bridge can act as who sent a message to the room, and that message is
// one on the network, too.
func (h *Handler) canEdit(ctx context.Context, room *bridgev2.Portal, rows []*database.Message) (bool, error) {
	sender := rows[0].SenderMXID
	if rows[0].HasFakeMXID() {
		return false, nil
	}
	if several, err := h.session.Submitted(ctx, ids.MakeOrigin(rows[0].MXID, 1)); err != nil || several {
		return false, err
	}
	if _, ghost := room.Bridge.Matrix.ParseGhostMXID(sender); ghost || sender == room.Bridge.Bot.GetMXID() {
		return true, nil
	}
	if absencesOf(room)[networkid.UserLoginID(rows[0].SenderID)] != "" {
		return false, nil
	}
	user, err := room.Bridge.GetExistingUserByMXID(ctx, sender)
	return err == nil && user != nil && user.DoublePuppet(ctx) != nil, err
}

// remoteDeletion removes all parts of a message, as who sent them or else as the bot.
func (h *Handler) remoteDeletion(ctx context.Context, e chat.Event, meta simplevent.EventMeta) (bridgev2.RemoteEvent, error) {
	_, rows, err := h.inRoom(ctx, meta.PortalKey, e)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	meta.Sender = bridgev2.EventSender{}
	return &simplevent.MessageRemove{EventMeta: meta.WithType(bridgev2.RemoteEventMessageRemove), TargetMessage: rows[0].ID}, nil
}

func (h *Handler) remoteReaction(e chat.Event, meta simplevent.EventMeta) bridgev2.RemoteEvent {
	kind := bridgev2.RemoteEventReaction
	if e.Reaction.Removed {
		kind = bridgev2.RemoteEventReactionRemove
	}
	return &simplevent.Reaction{EventMeta: meta.WithType(kind), TargetMessage: ids.MakeMessageID(e.Conversation, e.Reaction.Target),
		Emoji: emojiText(e.Reaction.Emoji), EmojiID: emojiID(e.Reaction.Emoji)}
}

// remoteReactions is the state of a message's reactions. What nobody is named for cannot be shown; as
// long as there is any, nothing is taken away.
func (h *Handler) remoteReactions(ctx context.Context, e chat.Event, meta simplevent.EventMeta) bridgev2.RemoteEvent {
	all, absences := true, h.absences(ctx, meta.PortalKey)
	users := map[networkid.UserID]*bridgev2.ReactionSyncUser{}
	for _, r := range e.Reactions.List {
		people := slices.Clone(r.People)
		if r.Mine && !slices.Contains(people, h.self) {
			people = append(people, h.self)
		}
		all = all && len(people) >= r.Count
		for _, person := range people {
			id := ids.MakeUserID(person)
			if users[id] == nil {
				users[id] = &bridgev2.ReactionSyncUser{}
			}
			users[id].Reactions = append(users[id].Reactions, &bridgev2.BackfillReaction{
				Sender: h.sender(person, absences), EmojiID: emojiID(r.Emoji), Emoji: emojiText(r.Emoji), Timestamp: time.UnixMicro(e.Time)})
		}
	}
	for _, user := range users {
		user.HasAllReactions = all
	}
	return &simplevent.ReactionSync{EventMeta: meta.WithType(bridgev2.RemoteEventReactionSync), TargetMessage: ids.MakeMessageID(e.Conversation, e.Reactions.Target),
		Reactions: &bridgev2.ReactionSyncData{Users: users, HasAllUsers: all}}
}
