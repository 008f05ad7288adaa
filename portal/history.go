package portal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// FetchMessages returns the newest messages of a conversation for a room that has none.
// A room that has messages gets what it missed as ordinary events, never from here.
func (h *Handler) FetchMessages(ctx context.Context, params bridgev2.FetchMessagesParams) (*bridgev2.FetchMessagesResponse, error) {
	if !params.Forward || params.AnchorMessage != nil || params.ThreadRoot != "" {
		return nil, nil
	}
	events, err := h.History(ctx, ids.ParsePortalID(params.Portal.ID), params.Count)
	if err != nil {
		return nil, err
	}
	events = chat.Fold(events)
	people, err := h.people.People(ctx, authors(events)...)
	if err != nil {
		return nil, fmt.Errorf("get authors of history: %w", err)
	}
	response := &bridgev2.FetchMessagesResponse{
		Forward: true,
		// Whatever was delivered meanwhile is not sent again.
		AggressiveDeduplication: true,
	}
	absences := ids.PortalMeta(params.Portal).Absences.All()
	reactions := h.reactionsTo(events, absences)
	var sent []networkid.MessageID
	response.CompleteCallback = func() {
		for _, message := range sent {
			h.options.Sent(params.Portal.MXID, message)
		}
		MarkFilled(ctx, params.Portal)
	}
	for _, e := range events {
		m := newMessage(simplevent.EventMeta{}, e, convert(e, namesOf(people), true))
		if e.Target() != "" || len(m.parts) == 0 {
			continue
		}
		if h.options.Written != nil {
			if here, err := h.options.Written(ctx, params.Portal, e); err != nil {
				return nil, err
			} else if here {
				continue
			}
		}
		if e.Message != nil {
			if err = h.relate(ctx, m, e, chat.Conversation{}, func(id networkid.MessageID) (bool, error) { return slices.Contains(sent, id), nil }); err != nil {
				return nil, err
			}
		}
		sent = append(sent, m.id)
		if err = h.load(ctx, params.Portal, m.id, m.files); err != nil {
			return nil, fmt.Errorf("load files of history: %w", err)
		}
		response.Messages = append(response.Messages, &bridgev2.BackfillMessage{
			ConvertedMessage: &bridgev2.ConvertedMessage{Parts: m.parts, Disappear: m.gone, ReplyTo: m.reply, ThreadRoot: m.thread},
			Sender:           h.sender(e.Author, absences),
			ID:               m.id,
			Timestamp:        time.UnixMicro(e.Time),
			Reactions:        reactions[e.ID],
		})
	}
	response.MarkRead = h.hasRead(ctx, params.Portal, events)
	return response, nil
}

// History returns the newest events of a conversation, oldest first.
func (h *Handler) History(ctx context.Context, conversation chat.ConversationID, limit int) ([]chat.Event, error) {
	if h.session == nil {
		return nil, puppet.ErrNoAccount
	}
	events, err := h.session.History(ctx, account.HistoryQuery{Conversation: conversation, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("get history of %s: %w", conversation, err)
	}
	return events, nil
}

// reactionsTo are the reactions that messages have in the end.
func (h *Handler) reactionsTo(events []chat.Event, absences map[networkid.UserLoginID]ids.Absence) map[chat.EventID][]*bridgev2.BackfillReaction {
	all := map[chat.EventID][]*bridgev2.BackfillReaction{}
	for _, e := range events {
		if e.Reaction == nil {
			continue
		}
		author, emoji := ids.MakeUserID(e.Author), emojiID(e.Reaction.Emoji)
		list := slices.DeleteFunc(all[e.Reaction.Target], func(r *bridgev2.BackfillReaction) bool {
			return r.Sender.Sender == author && r.EmojiID == emoji
		})
		if !e.Reaction.Removed {
			list = append(list, &bridgev2.BackfillReaction{Sender: h.sender(e.Author, absences), EmojiID: emoji, Emoji: emojiText(e.Reaction.Emoji), Timestamp: time.UnixMicro(e.Time)})
		}
		all[e.Reaction.Target] = list
	}
	return all
}

// HistoryEvent is an event of the initial history in bridgev2's form, nil if Matrix
// shows nothing of it.
func (h *Handler) HistoryEvent(ctx context.Context, e chat.Event, c chat.Conversation, mutate func(context.Context) context.Context) (bridgev2.RemoteEvent, error) {
	meta := h.meta(ctx, e, c.Kind)
	meta.MutateContextFunc = mutate
	if e.Target() != "" {
		return h.about(ctx, e, c, meta)
	}
	people, err := h.people.People(ctx, authors([]chat.Event{e})...)
	if err != nil {
		return nil, fmt.Errorf("get author of event: %w", err)
	}
	content := convert(e, namesOf(people), true, h.callable(ctx, e, c)...)
	if len(content.parts) == 0 {
		return nil, nil
	}
	return h.related(ctx, newMessage(meta, e, content), e, c)
}

// MarkFilled notes that the initial history is in a portal's room.
func MarkFilled(ctx context.Context, portal *bridgev2.Portal) {
	meta := ids.PortalMeta(portal)
	if meta.Filled {
		return
	}
	meta.Filled = true
	if err := portal.Save(ctx); err != nil {
		meta.Filled = false
		zerolog.Ctx(ctx).Err(err).Msg("Failed to note that the room has its history")
	}
}

func (h *Handler) hasRead(ctx context.Context, portal *bridgev2.Portal, events []chat.Event) bool {
	c, err := h.conversation(ctx, portal)
	return err == nil && c.Standing == chat.Active && len(events) > 0 && c.ReadTime >= events[len(events)-1].Time
}

func authors(events []chat.Event) []chat.PersonID {
	var all []chat.PersonID
	seen := map[chat.PersonID]bool{}
	for _, e := range events {
		mentioned := []chat.PersonID{e.Author}
		if e.Membership != nil {
			mentioned = append(mentioned, e.Membership.People...)
		}
		for _, id := range mentioned {
			if id != "" && !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	return all
}
