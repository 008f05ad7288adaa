package portal

import (
	"context"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/simplevent"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// HandleMatrixTyping tells the account what its person does at the keyboard in Matrix. The
// homeserver says only when it begins and ends, so it lasts until then.
func (h *Handler) HandleMatrixTyping(ctx context.Context, typing *bridgev2.MatrixTyping) error {
	if h.session == nil {
		return puppet.ErrNoAccount
	}
	if active, err := h.active(ctx, typing.Portal); err != nil || !active {
		return quiet(err)
	}
	state := chat.TypingStopped
	if typing.IsTyping {
		state = chat.TypingStarted
	}
	err := h.session.SetTyping(ctx, chat.Typing{
		Conversation: ids.ParsePortalID(typing.Portal.ID), Person: h.self, State: state, Time: time.Now().UnixMicro(),
		Origin: chat.Origin{Side: chat.OriginMatrix, Ref: string(typing.Portal.MXID)}, Lasting: true,
	})
	return quiet(err)
}

// typingTime is how long a typing notification lasts in Matrix without a new one.
const typingTime = 30 * time.Second

// RemoteTyping is a typing state in bridgev2's form.
func (h *Handler) RemoteTyping(ctx context.Context, typing chat.Typing, c chat.Conversation) bridgev2.RemoteEvent {
	key := h.Key(c.ID, c.Kind)
	timeout := time.Duration(0)
	if typing.State == chat.TypingStarted {
		timeout = typingTime
	}
	return &simplevent.Typing{
		EventMeta: simplevent.EventMeta{
			Type: bridgev2.RemoteEventTyping, PortalKey: key, Sender: h.sender(typing.Person, h.absences(ctx, key)),
		},
		Timeout: timeout,
	}
}
