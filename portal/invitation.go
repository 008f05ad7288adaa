package portal

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// isInvitation reports whether a portal's room shows a conversation as an invitation: this
// login is invited, and no other one takes part in the room.
func (h *Handler) isInvitation(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) bool {
	if c.Standing != chat.Invited {
		return false
	}
	if portal == nil || portal.Receiver != "" {
		return true
	}
	logins, err := portal.Bridge.GetUserLoginsInPortal(ctx, portal.PortalKey)
	if err != nil {
		return false
	}
	absences := ids.PortalMeta(portal).Absences.All()
	for _, login := range logins {
		if login.ID != ids.MakeLoginID(h.self) && absences[login.ID] == "" {
			return false
		}
	}
	return true
}

func invitationTitle(title string) string { return "Invitation: " + title }

// InvitationText says who invites to a conversation and what can be done.
func (h *Handler) InvitationText(ctx context.Context, c chat.Conversation) (string, error) {
	inviter := "You are invited"
	if c.Inviter != "" {
		people, err := h.people.People(ctx, c.Inviter)
		if err != nil {
			return "", fmt.Errorf("get inviter: %w", err)
		}
		inviter = namesOf(people)(c.Inviter) + " invites you"
	}
	return inviter + " to this Hangouts conversation. Send `" + h.options.Prefix + " accept` or `" + h.options.Prefix + " decline` here, " +
		"or answer the invitation in a Hangouts app. Until you have accepted it, you cannot write here.", nil
}
