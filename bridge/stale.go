package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/secret"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// staleAge is the age from which on a command is not run: its writer does not expect that any
// more, and it may have been run before a backup was restored.
const staleAge = 5 * time.Minute

const staleText = "This command reached me more than five minutes after it was written, so I did not run it. Write it again if you still need it."

// ageOf is how old an event is: by the homeserver's clock when it came, and by ours since. Only
// an event without an age is compared across the two clocks.
func ageOf(e *event.Event, received, now time.Time) time.Duration {
	waited := max(now.Sub(received), 0)
	if e.Unsigned.Age > 0 {
		return time.Duration(e.Unsigned.Age)*time.Millisecond + waited
	}
	return max(now.Sub(time.UnixMilli(e.Timestamp)), waited)
}

// refuseStale tells the writer of an old command that it is not run, and takes a secret in it
// out of the room. It may be repeated: the answer has one transaction id. An error means that
// the homeserver could not be reached.
func (m *Main) refuseStale(ctx context.Context, e *event.Event) error {
	if !m.Config.Bridge.Permissions.Get(e.Sender).Commands {
		return nil
	}
	log := zerolog.Ctx(ctx)
	log.Info().Stringer("event", e.ID).Stringer("sender", e.Sender).Msg("Not running a command that is too old")
	user, err := m.Bridge.GetExistingUserByMXID(ctx, e.Sender)
	if err != nil {
		return fmt.Errorf("get user: %w", err)
	}
	says := staleText
	if secret.InContent(e.Content.Raw) || m.guard.asked(user, e) || givesToken(e) {
		if err = m.guard.erase(ctx, e.RoomID, e.ID, user); err != nil {
			log.Warn().Err(err).Stringer("room", e.RoomID).Msg("Failed to remove a secret from a room")
			says += " " + answerStays
		}
	}
	err = m.guard.reply(ctx, e, "stale", says)
	var httpErr mautrix.HTTPError
	if errors.As(err, &httpErr) && refused(httpErr) {
		log.Warn().Err(err).Msg("Failed to say that a command was not run")
		return nil
	}
	return err
}

// givesToken reports whether a command holds an access token of Matrix, which does not look like
// one; when it is run it is removed by the command itself.
func givesToken(e *event.Event) bool {
	return slices.Contains(strings.Fields(strings.ToLower(e.Content.AsMessage().Body)), matrix.CommandLoginMatrix.Name)
}

// isStale reports whether an event of the inbox is a command that is too old to be run.
func (b *inbox) isStale(e *event.Event, row database.InboxRow) bool {
	return ageOf(e, time.UnixMicro(row.Received), time.Now()) > staleAge
}
