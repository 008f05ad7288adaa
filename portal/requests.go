package portal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/util/ptr"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// Do carries out what a Matrix event asks for in a portal's conversation and waits for its fate.
// The request is in the outbox first, so it is carried out once, whatever happens meanwhile. The
// errors are those of package chat; see Sentence.
func (h *Handler) Do(ctx context.Context, portal *bridgev2.Portal, origin id.EventID, request chat.Request) (chat.Event, error) {
	if h.session == nil {
		return chat.Event{}, puppet.ErrNoAccount
	}
	request.Conversation, request.Origin = ids.ParsePortalID(portal.ID), ids.MakeOrigin(origin, 0)
	if origin == "" { // account data are events without an id
		request.Origin.Ref = h.options.NewRef()
	}
	if err := h.session.Submit(ctx, request); err != nil {
		return chat.Event{}, fmt.Errorf("submit request: %w", err)
	}
	waitCtx, cancel := h.waiting(ctx)
	defer cancel()
	e, err := h.session.Await(waitCtx, request.Origin)
	if err != nil && waitCtx.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errStillWaiting, err)
	}
	return e, err
}

// doAs is Do for a change that only people with a login of their own may make: a relay lends its
// account for messages alone.
func (h *Handler) doAs(ctx context.Context, relayed *bridgev2.OrigSender, portal *bridgev2.Portal, origin id.EventID, request chat.Request) (chat.Event, error) {
	if relayed != nil {
		return chat.Event{}, errRelayed
	}
	return h.Do(ctx, portal, origin, request)
}

// Allows reports whether requests of a kind can be made in a portal's conversation.
func (h *Handler) Allows(ctx context.Context, portal *bridgev2.Portal, kind chat.RequestKind) bool {
	c, err := h.conversation(ctx, portal)
	return err == nil && h.session.Features(c).Allows(kind)
}

// HandleMatrixRoomName renames the conversation. If that is refused, the room gets its name back. If another name has come into
// the room after the user's, the network's copy of the event brings the user's there once more.
func (h *Handler) HandleMatrixRoomName(ctx context.Context, msg *bridgev2.MatrixRoomName) (bool, error) {
	name, crossed := chat.CleanName(msg.Content.Name), msg.PrevContent == nil || msg.PrevContent.Name != msg.Portal.Name
	e, err := h.doAs(ctx, msg.OrigSender, msg.Portal, msg.Event.ID, chat.Request{Rename: &chat.Rename{New: name}})
	if err != nil {
		if refused(err) {
			h.revert(ctx, msg.Portal, event.StateRoomName, "", &event.RoomNameEventContent{Name: msg.Portal.Name})
		}
		return false, statusOf(err)
	}
	if crossed {
		return false, nil
	}
	ids.PortalMeta(msg.Portal).Latest.Note(e.Time, ids.TheName)
	msg.Portal.Name, msg.Portal.NameSet, msg.Portal.NameIsCustom = msg.Content.Name, true, name != ""
	return true, nil
}

// reasonRefused stands in the membership events that take back what Hangouts has refused.
const reasonRefused = "Hangouts refused the change"

// HandleMatrixMembership adds people whose ghosts are invited, and removes those whose ghosts
// are taken out. What is refused is taken back.
func (h *Handler) HandleMatrixMembership(ctx context.Context, msg *bridgev2.MatrixMembershipChange) (*bridgev2.MatrixMembershipResult, error) {
	ghost, ok := msg.Target.(*bridgev2.Ghost)
	if !ok || msg.Type.IsSelf {
		return nil, nil // what users do with themselves is followed by bridge.Client.moved
	}
	person, err := ids.ParseUserID(ghost.ID)
	if err != nil {
		return nil, statusOf(fmt.Errorf("%w: %w", chat.ErrInvalidRequest, err))
	}
	var request chat.Request
	adds := msg.Type.To == event.MembershipInvite
	switch msg.Type {
	case bridgev2.Invite, bridgev2.AcceptKnock:
		request.AddPeople = []chat.PersonID{person}
	case bridgev2.Kick, bridgev2.RevokeInvite, bridgev2.BanJoined, bridgev2.BanInvited:
		request.RemovePeople = []chat.PersonID{person}
	default:
		return nil, nil
	}
	_, err = h.doAs(ctx, msg.OrigSender, msg.Portal, msg.Event.ID, request)
	switch {
	case err == nil:
		return nil, nil // a ghost joins when the event of the network is delivered
	case refused(err) && adds:
		h.revert(ctx, msg.Portal, event.StateMember, ghost.Intent.GetMXID().String(), &event.MemberEventContent{Membership: event.MembershipLeave, Reason: reasonRefused})
	case refused(err):
		if msg.Type.To == event.MembershipBan {
			h.revert(ctx, msg.Portal, event.StateMember, ghost.Intent.GetMXID().String(), &event.MemberEventContent{Membership: event.MembershipLeave, Reason: reasonRefused})
		}
		if joinErr := ghost.Intent.EnsureJoined(ctx, msg.Portal.MXID); joinErr != nil {
			msg.Portal.Log.Err(joinErr).Msg("Failed to bring back a person whose removal was refused")
		}
	}
	return nil, statusOf(err)
}

// HandleMatrixAcceptMessageRequest accepts an invitation. A message does not: it would, on
// Hangouts, before its writer knows of it.
func (h *Handler) HandleMatrixAcceptMessageRequest(ctx context.Context, msg *bridgev2.MatrixAcceptMessageRequest) error {
	if msg.Content.IsImplicit || msg.OrigSender != nil {
		return nil // the message itself is refused
	}
	_, err := h.Do(ctx, msg.Portal, msg.Event.ID, chat.Request{Join: true})
	return quietly(err)
}

// HandleMute mutes a conversation or ends that.
func (h *Handler) HandleMute(ctx context.Context, msg *bridgev2.MatrixMute) error {
	if msg.Event == nil {
		return statusOf(chat.ErrInvalidRequest) // the bot's command has its own way
	}
	_, err := h.Do(ctx, msg.Portal, msg.Event.ID, chat.Request{Muted: ptr.Ptr(msg.Content.IsMuted())})
	return quietly(err)
}

// HandleRoomTag archives a conversation whose room is tagged as of low priority, or takes it
// out of the archive.
func (h *Handler) HandleRoomTag(ctx context.Context, msg *bridgev2.MatrixRoomTag) error {
	_, low := msg.Content.Tags[event.RoomTagLowPriority]
	c, err := h.conversation(ctx, msg.Portal)
	if err == nil && c.Archived != low && msg.Event != nil {
		_, err = h.Do(ctx, msg.Portal, msg.Event.ID, chat.Request{Archived: &low})
	}
	return quietly(err)
}

// refused reports whether a request has certainly failed, so that what it did in Matrix is to be
// taken back.
func refused(err error) bool {
	return !errors.Is(err, errStillWaiting) && !errors.Is(err, chat.ErrUnconfirmed) && !errors.Is(err, context.Canceled)
}

func (h *Handler) revert(ctx context.Context, portal *bridgev2.Portal, kind event.Type, key string, content any) {
	if _, err := portal.Bridge.Bot.SendState(ctx, portal.MXID, kind, key, &event.Content{Parsed: content}, time.Time{}); err != nil {
		portal.Log.Err(err).Str("type", kind.Type).Msg("Failed to take back what Hangouts has refused")
	}
}

// quietly is statusOf for what may be nil.
func quietly(err error) error {
	if err == nil {
		return nil
	}
	return statusOf(err)
}

// Sentence says what a failed request means for the person who made it.
func Sentence(err error) string {
	if errors.Is(err, chat.ErrInvalidQuery) {
		text := err.Error()
		return strings.ToUpper(text[:1]) + text[1:] + "."
	}
	for _, row := range statuses {
		if errors.Is(err, row.err) {
			return sentence(err, row.says)
		}
	}
	return "This has failed; the bridge's log has more."
}
