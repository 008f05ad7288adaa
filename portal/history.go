package portal

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

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
	var sent []networkid.MessageID
	response.CompleteCallback = func() {
		for _, message := range sent {
			h.options.Sent(params.Portal.MXID, message)
		}
		MarkFilled(ctx, params.Portal)
	}
	for _, e := range events {
		content := convert(e, namesOf(people), true)
		if len(content.parts) == 0 {
			continue
		}
		if h.options.Written != nil {
			if here, err := h.options.Written(ctx, params.Portal, e); err != nil {
				return nil, err
			} else if here {
				continue
			}
		}
		message := ids.MakeMessageID(e.Conversation, e.ID)
		sent = append(sent, message)
		if err = h.load(ctx, params.Portal, message, content.files); err != nil {
			return nil, fmt.Errorf("load files of history: %w", err)
		}
		response.Messages = append(response.Messages, &bridgev2.BackfillMessage{
			ConvertedMessage: &bridgev2.ConvertedMessage{Parts: content.parts, Disappear: Disappears(e)},
			Sender:           h.sender(e.Author, absences),
			ID:               message,
			Timestamp:        time.UnixMicro(e.Time),
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

// HistoryEvent is an event of the initial history in bridgev2's form, nil if Matrix
// shows nothing of it.
func (h *Handler) HistoryEvent(ctx context.Context, e chat.Event, c chat.Conversation, mutate func(context.Context) context.Context) (bridgev2.RemoteEvent, error) {
	people, err := h.people.People(ctx, authors([]chat.Event{e})...)
	if err != nil {
		return nil, fmt.Errorf("get author of event: %w", err)
	}
	content := convert(e, namesOf(people), true, h.callable(ctx, e, c)...)
	if len(content.parts) == 0 {
		return nil, nil
	}
	meta := h.meta(ctx, e, c.Kind)
	meta.MutateContextFunc = mutate
	return newMessage(meta, e, content), nil
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
