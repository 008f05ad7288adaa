package portal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
)

// Remote is an event in bridgev2's form, nil if Matrix shows nothing of it. mutate is put
// into the context in which bridgev2 handles it.
func (h *Handler) Remote(ctx context.Context, e chat.Event, c chat.Conversation, mutate func(context.Context) context.Context) (bridgev2.RemoteEvent, error) {
	meta := h.meta(ctx, e, c.Kind)
	meta.MutateContextFunc = mutate
	switch {
	case e.Membership != nil:
		return h.membership(ctx, e, meta), nil
	case e.Rename != nil:
		return h.rename(ctx, e, c, meta)
	}
	if e.Target() != "" {
		return h.about(ctx, e, c, meta)
	}
	people, err := h.people.People(ctx, e.Author)
	if err != nil {
		return nil, fmt.Errorf("get author of event: %w", err)
	}
	content := convert(e, namesOf(people), false, h.callable(ctx, e, c)...)
	if len(content.parts) == 0 {
		return nil, nil
	}
	return h.related(ctx, newMessage(meta, e, content), e, c)
}

// about is an event that is about another one, which has to be in the room.
func (h *Handler) about(ctx context.Context, e chat.Event, c chat.Conversation, meta simplevent.EventMeta) (bridgev2.RemoteEvent, error) {
	switch {
	case e.Edit != nil:
		return h.remoteEdit(ctx, e, c, meta)
	case e.Deletion != nil:
		return h.remoteDeletion(ctx, e, meta)
	case e.Reaction != nil:
		return h.remoteReaction(e, meta), nil
	}
	return h.remoteReactions(ctx, e, meta), nil
}

// related adds what a message answers, and the head of its thread. What the room does not have is
// quoted.
func (h *Handler) related(ctx context.Context, m *message, e chat.Event, c chat.Conversation) (*message, error) {
	if e.Message == nil || e.Message.Thread == "" && e.Message.Reply == nil {
		return m, nil
	}
	room := h.options.room(ctx, m.PortalKey)
	err := h.relate(ctx, m, e, c, func(id networkid.MessageID) (bool, error) {
		if room == nil {
			return false, nil
		}
		row, err := room.Bridge.DB.Message.GetFirstPartByID(ctx, m.PortalKey.Receiver, id)
		return row != nil, err
	})
	return m, err
}

func (h *Handler) relate(ctx context.Context, m *message, e chat.Event, c chat.Conversation, has func(networkid.MessageID) (bool, error)) error {
	if e.Message.Thread != "" && e.Message.Thread != e.ID {
		m.thread = ptr.Ptr(ids.MakeMessageID(e.Conversation, e.Message.Thread))
	}
	reply := e.Message.Reply
	if reply == nil {
		return nil
	}
	if reply.Target != "" && !reply.Forwarded {
		target := ids.MakeMessageID(e.Conversation, reply.Target)
		if there, err := has(target); err != nil {
			return fmt.Errorf("%w: look for what a message answers: %w", bridgev2.ErrDatabaseError, err)
		} else if there {
			m.reply = &networkid.MessageOptionalPartID{MessageID: target}
			return nil
		}
	}
	people, err := h.people.People(ctx, reply.Author)
	if err != nil {
		return fmt.Errorf("get author of quote: %w", err)
	}
	if quote := format.Quote(namesOf(people)(reply.Author), &chat.Message{Text: reply.Text}); len(quote) > 0 {
		quoted := *e.Message
		quoted.Text = slices.Concat(quote, breakAfter(quoted.Text), quoted.Text)
		m.converted = &converted{}
		m.message(&quoted, h.callable(ctx, e, c))
	}
	return nil
}

// IsMessage reports whether Matrix shows an event as a message, which has a row in
// bridgev2's table once it is there.
func IsMessage(remote bridgev2.RemoteEvent) bool {
	_, ok := remote.(*message)
	return ok
}

func (h *Handler) meta(ctx context.Context, e chat.Event, kind chat.ConversationKind) simplevent.EventMeta {
	key := h.Key(e.Conversation, kind)
	return simplevent.EventMeta{
		PortalKey: key,
		Sender:    h.sender(e.Author, h.absences(ctx, key)),
		Timestamp: time.UnixMicro(e.Time),
		LogContext: func(with zerolog.Context) zerolog.Context {
			return with.Str("conversation", string(e.Conversation)).Str("event", string(e.ID)).Str("kind", string(e.Kind))
		},
	}
}

func (h *Handler) membership(ctx context.Context, e chat.Event, meta simplevent.EventMeta) bridgev2.RemoteEvent {
	changes := h.memberChanges(e, h.options.room(ctx, meta.PortalKey), h.reasonOut(ctx, e))
	if len(changes.MemberMap) == 0 {
		return nil
	}
	return h.change(e, meta, &bridgev2.ChatInfoChange{MemberChanges: changes})
}

func (h *Handler) change(e chat.Event, meta simplevent.EventMeta, info *bridgev2.ChatInfoChange) *change {
	return &change{at: e.Time, failed: h.options.failed,
		ChatInfoChange: simplevent.ChatInfoChange{EventMeta: meta.WithType(bridgev2.RemoteEventChatInfoChange), ChatInfoChange: info}}
}

func (h *Handler) rename(ctx context.Context, e chat.Event, c chat.Conversation, meta simplevent.EventMeta) (bridgev2.RemoteEvent, error) {
	if c.Kind == chat.OneToOne {
		return nil, nil
	}
	title := e.Rename.New
	if title == "" {
		people, err := h.people.People(ctx, MemberIDs(c)...)
		if err != nil {
			return nil, fmt.Errorf("get members for title: %w", err)
		}
		c.Name = ""
		title = c.Title(h.self, people)
	}
	if h.isInvitation(ctx, h.options.room(ctx, meta.PortalKey), c) {
		title = invitationTitle(title)
	}
	return h.change(e, meta, &bridgev2.ChatInfoChange{ChatInfo: &bridgev2.ChatInfo{Name: ptr.Ptr(title)}}), nil
}

// Resync is the whole conversation as it is now. It makes the room if create is set and
// there is none. What it shows is noted with the portal: what was known before, so that a
// change on the way is seen by the next one.
func (h *Handler) Resync(c chat.Conversation, create bool, mutate func(context.Context) context.Context) bridgev2.RemoteEvent {
	var shown string
	return &simplevent.ChatResync{
		EventMeta: simplevent.EventMeta{
			Type: bridgev2.RemoteEventChatResync, PortalKey: h.Key(c.ID, c.Kind), CreatePortal: create, MutateContextFunc: mutate,
			PostHandleFunc: func(ctx context.Context, portal *bridgev2.Portal) {
				if !h.options.failed(ctx) {
					noteLatest(ctx, portal, c.Named, ids.TheName)
					h.noteShape(ctx, portal, shown, localOf(c))
				}
			},
			LogContext: func(with zerolog.Context) zerolog.Context { return with.Str("conversation", string(c.ID)) },
		},
		GetChatInfoFunc: func(ctx context.Context, portal *bridgev2.Portal) (info *bridgev2.ChatInfo, err error) {
			if shown, err = h.shape(ctx, portal, c); err == nil {
				info, err = h.RoomInfo(ctx, portal, c)
			}
			return info, err
		},
		// History is fetched only when the room is made: comparing times loses messages
		// that are older than one which was sent from Matrix meanwhile.
		CheckNeedsBackfillFunc: func(context.Context, *database.Message) (bool, error) { return false, nil },
	}
}

// RemoteReceipt is a watermark in bridgev2's form.
func (h *Handler) RemoteReceipt(ctx context.Context, mark chat.Watermark, c chat.Conversation) bridgev2.RemoteEvent {
	key := h.Key(c.ID, c.Kind)
	return &simplevent.Receipt{
		EventMeta: simplevent.EventMeta{
			Type: bridgev2.RemoteEventReadReceipt, PortalKey: key, Sender: h.sender(mark.Person, h.absences(ctx, key)),
			Timestamp: time.UnixMicro(mark.Time),
		},
		ReadUpTo: time.UnixMicro(mark.Time),
	}
}

// message is a message that can be delivered again after some of its parts: those that
// have a row are left out.
type message struct {
	simplevent.EventMeta
	*converted
	id     networkid.MessageID
	have   map[networkid.PartID]bool
	reply  *networkid.MessageOptionalPartID
	thread *networkid.MessageID
	gone   database.DisappearingSetting // for clients; bridge.Client.expire schedules the redaction
}

// Disappears is when an event expires, in bridgev2's form.
func Disappears(e chat.Event) database.DisappearingSetting {
	if e.Expires == 0 {
		return database.DisappearingSetting{}
	}
	at := time.UnixMicro(e.Expires)
	return database.DisappearingSetting{Type: event.DisappearingTypeAfterSend, Timer: at.Sub(time.UnixMicro(e.Time)), DisappearAt: at}
}

var _ bridgev2.RemoteMessageUpsert = (*message)(nil)

func newMessage(meta simplevent.EventMeta, e chat.Event, content *converted) *message {
	return &message{
		EventMeta: meta.WithType(bridgev2.RemoteEventMessageUpsert),
		id:        ids.MakeMessageID(e.Conversation, e.ID),
		converted: content,
		gone:      Disappears(e),
	}
}

// GetID is the message's id.
func (m *message) GetID() networkid.MessageID { return m.id }

// ConvertMessage returns the parts that are not there yet.
func (m *message) ConvertMessage(context.Context, *bridgev2.Portal, bridgev2.MatrixAPI) (*bridgev2.ConvertedMessage, error) {
	converted := &bridgev2.ConvertedMessage{Disappear: m.gone, ReplyTo: m.reply, ThreadRoot: m.thread}
	for _, part := range m.parts {
		if !m.have[part.ID] {
			converted.Parts = append(converted.Parts, part)
		}
	}
	return converted, nil
}

// HandleExisting notes which parts are there; the message goes on when some are missing.
func (m *message) HandleExisting(_ context.Context, _ *bridgev2.Portal, _ bridgev2.MatrixAPI, existing []*database.Message) (bridgev2.UpsertResult, error) {
	m.have = make(map[networkid.PartID]bool, len(existing))
	for _, row := range existing {
		m.have[row.PartID] = true
	}
	missing := slices.ContainsFunc(m.parts, func(part *bridgev2.ConvertedMessagePart) bool { return !m.have[part.ID] })
	return bridgev2.UpsertResult{ContinueMessageHandling: missing}, nil
}
