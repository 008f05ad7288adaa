package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/secret"
)

// staleAge is the age from which on a command is not run: its writer does not expect that any
// more, and it may have been run before a backup was restored.
const staleAge = 5 * time.Minute

const staleText = "This command reached me more than five minutes after it was written, so I did not run it. Write it again if you still need it."

const undecryptableText = "I could not read your encrypted message, so nobody on Hangouts got it: %s. Send it again if it is still needed."

// RefuseStale implements homeserver.Host: it answers an old command with a notice that it is
// not run, and takes a secret in it out of the room. It may be repeated: the answer has one
// transaction id. An error means that the homeserver could not be reached.
func (h host) RefuseStale(ctx context.Context, e *event.Event, age time.Duration) (bool, error) {
	if age <= staleAge {
		return false, nil
	} else if !h.Config.Bridge.Permissions.Get(e.Sender).Commands {
		return true, nil
	}
	log := zerolog.Ctx(ctx)
	log.Info().Stringer("event", e.ID).Stringer("sender", e.Sender).Msg("Not running a command that is too old")
	user, err := h.Bridge.GetExistingUserByMXID(ctx, e.Sender)
	if err != nil {
		return false, fmt.Errorf("get user: %w", err)
	}
	says := staleText
	if secret.InContent(e.Content.Raw) || h.guard.asked(user, e) || givesToken(e) {
		if err = h.guard.erase(ctx, e.RoomID, e.ID, user); err != nil {
			log.Warn().Err(err).Stringer("room", e.RoomID).Msg("Failed to remove a secret from a room")
			says += " " + answerStays
		}
	}
	return true, h.answer(ctx, e, "stale", says)
}

// Undecryptable implements homeserver.Host.
func (h host) Undecryptable(ctx context.Context, e *event.Event, why string) error {
	return h.answer(ctx, e, "undecryptable", fmt.Sprintf(undecryptableText, why))
}

// answer replies to an event that is not handled. It may be repeated; an error means that trying
// again can help.
func (h host) answer(ctx context.Context, e *event.Event, kind, says string) error {
	err := h.guard.reply(ctx, e, kind, says)
	if err != nil && !mayHelp(err) {
		zerolog.Ctx(ctx).Warn().Err(err).Stringer("event", e.ID).Msg("Failed to say that an event was not handled")
		return nil
	}
	return err
}

// givesToken reports whether a command holds an access token of Matrix, which does not look like
// one; when it is run it is removed by the command itself.
func givesToken(e *event.Event) bool {
	return slices.Contains(strings.Fields(strings.ToLower(e.Content.AsMessage().Body)), matrix.CommandLoginMatrix.Name)
}
