package bridge

import (
	"context"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/id"
)

// quietCommands keeps what nobody understood out of the log: it may be a token that was
// sent when the bot did not wait for one.
type quietCommands struct{ bridgev2.CommandProcessor }

// Handle implements bridgev2.CommandProcessor.
func (q quietCommands) Handle(ctx context.Context, roomID id.RoomID, eventID id.EventID, user *bridgev2.User, message string, replyTo id.EventID) {
	log := zerolog.Ctx(ctx).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, says string) {
		if says == "Received unknown command" {
			e.Discard()
		}
	}))
	q.CommandProcessor.Handle(log.WithContext(ctx), roomID, eventID, user, message, replyTo)
}
