package portal

import (
	"context"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// shape is what of a conversation shows in its room.
func (h *Handler) shape(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) (string, error) {
	parts := []string{string(c.Kind), c.Name, string(c.Standing), "", localOf(c), hints(portal, c)}
	if c.Kind == chat.Group {
		title, err := h.Title(ctx, portal, c)
		if err != nil {
			return "", err
		}
		parts[3] = title
	}
	for _, member := range c.Members {
		entry := string(member.ID) + "=" + member.Name
		if member.Invited {
			entry += "?"
		}
		parts = append(parts, entry)
	}
	slices.Sort(parts[6:])
	return ids.ShapeHash(strings.Join(parts, "\x00")), nil
}

// Current reports whether a room shows what this login knows of its conversation.
func (h *Handler) Current(ctx context.Context, portal *bridgev2.Portal, c chat.Conversation) (bool, error) {
	now, err := h.shape(ctx, portal, c)
	return err == nil && ids.PortalMeta(portal).Shapes[ids.MakeLoginID(h.self)] == now, err
}

// noteShape notes what a room has been brought up to date with; "" is unknown.
func (h *Handler) noteShape(ctx context.Context, portal *bridgev2.Portal, shown, local string) {
	meta, login := ids.PortalMeta(portal), ids.MakeLoginID(h.self)
	if shown == "" || meta.Shapes[login] == shown && meta.Locals[login] == local {
		return
	}
	meta.SetShape(login, shown)
	meta.SetLocal(login, local)
	if err := portal.Save(ctx); err != nil {
		meta.SetShape(login, "")
		zerolog.Ctx(ctx).Err(err).Msg("Failed to note what the room shows")
	}
}
