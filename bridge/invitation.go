package bridge

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// prepareInvitation notes that the login is only invited to a room that is about to be made.
func (c *consumer) prepareInvitation(ctx context.Context, key networkid.PortalKey) error {
	room, err := c.connector.bridge.GetPortalByKey(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: get portal: %w", bridgev2.ErrDatabaseError, err)
	}
	return setAbsence(ctx, room, c.login.ID, ids.Invited)
}

// beInvited says in a room that it shows an invitation.
func (c *consumer) beInvited(ctx context.Context, room *bridgev2.Portal, conversation chat.Conversation) error {
	text, err := c.InvitationText(ctx, conversation)
	if err != nil {
		return err
	}
	message := ids.MakeMessageID(conversation.ID, chat.EventID(fmt.Sprint(c.login.ID, "-", conversation.SortTime)))
	if err = c.say(ctx, room, message, invitedPart, text); err != nil {
		return err
	}
	ids.PortalMeta(room).SetShape(c.login.ID, "")
	return setAbsence(ctx, room, c.login.ID, ids.Invited)
}
