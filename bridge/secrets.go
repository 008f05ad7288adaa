package bridge

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"
	"maunium.net/go/mautrix/id"
)

// secretText is what credentials of a Google account look like (protocol §4): tokens and
// codes of OAuth, cookies as JSON or of a request, and headers with either.
var secretText = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`(?:^|[^/\w])(?:1//|4/)[\w-]{20,}`,
	`\bya29\.[\w.-]{20,}`,
	`\b(?:S?APISID|[HSO]?SID|__Secure-[13]P(?:APISID|SID(?:TS|CC)?))["']?\s*[=:]\s*["']?[\w./+-]{15,}`,
	`\bauthorization["']?\s*:\s*["']?(?:bearer|sapisidhash)\s+\S{8,}`,
}, "|"))

const (
	secretGone = "That looked like a key to your Google account, which I was not asking for, so I removed it from the room. Nothing was done with it. " +
		"If others could read it, log out of that session in your Google account. To log in, send `login` first and the key when I ask for it."
	secretStays = "That looks like a key to your Google account, which I was not asking for, and I may not remove it from this room: " +
		"**please delete your message yourself**. Nothing was done with it. To log in, send `login` first and the key when I ask for it."
)

// secretCommands guards what people send to the bot: a secret that nobody asked for is
// removed from the room, handed to nobody and not logged.
type secretCommands struct {
	bridgev2.CommandProcessor
	bot func() bridgev2.MatrixAPI
}

// Handle implements bridgev2.CommandProcessor.
func (s secretCommands) Handle(ctx context.Context, roomID id.RoomID, eventID id.EventID, user *bridgev2.User, message string, replyTo id.EventID) {
	if secretText.MatchString(message) && !takesSecret(user, message) {
		s.remove(ctx, roomID, eventID)
		return
	}
	// What nobody understood may be a secret that does not look like one.
	log := zerolog.Ctx(ctx).Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, says string) {
		if says == "Received unknown command" {
			e.Discard()
		}
	}))
	s.CommandProcessor.Handle(log.WithContext(ctx), roomID, eventID, user, message, replyTo)
}

// takesSecret reports whether the framework takes a message as credentials; then it
// removes it itself. A login command that is not quite right would be repeated in the
// room, or stay there.
func takesSecret(user *bridgev2.User, message string) bool {
	words := strings.Fields(message)
	switch strings.ToLower(words[0]) {
	case "login":
		return len(words) == 3 && strings.ToLower(words[1]) == FlowToken
	case "relogin":
		return len(words) == 4 && strings.ToLower(words[2]) == FlowToken && slices.Contains(user.GetUserLoginIDs(), networkid.UserLoginID(words[1]))
	}
	state := commands.LoadCommandState(user)
	return state != nil && state.Next != nil
}

// remove takes a message out of the room and says why.
func (s secretCommands) remove(ctx context.Context, roomID id.RoomID, eventID id.EventID) {
	says := secretGone
	_, err := s.bot().SendMessage(ctx, roomID, event.EventRedaction, &event.Content{Parsed: &event.RedactionEventContent{Redacts: eventID}}, nil)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("Failed to remove a secret from a room")
		says = secretStays
	}
	content := format.RenderMarkdown(says, true, false)
	content.MsgType = event.MsgNotice
	if _, err = s.bot().SendMessage(ctx, roomID, event.EventMessage, &event.Content{Parsed: content}, nil); err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to say that a secret was sent")
	}
}
