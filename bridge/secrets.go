package bridge

import (
	"context"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/secret"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

// SendAnyway is the command that sends a text although it looks like a credential.
const SendAnyway = "send-anyway"

// What the bot says about a message with a credential.
const (
	secretGone    = "I removed your message from the room: it looks like a key to your Google account. It was sent to nobody on Hangouts. If others could read it, log out of that session in your Google account."
	secretStays   = "**Please delete your message yourself**: it looks like a key to your Google account, and I may not remove it from this room. It was sent to nobody on Hangouts. If others could read it, log out of that session in your Google account."
	answerStays   = "I may not remove messages from this room. **Please delete your message with the key yourself.**"
	howToSend     = " If it is something else, send it again with `$cmdprefix " + SendAnyway + "` in front of it."
	howToLogin    = " To log in, send `login` in our direct chat first, and the key when I ask for it."
	eraseTries    = 5
	leftOutAnswer = "The answer to this is left out, since it would repeat something that looks like a key to a Google account."
)

// guardedTypes are the events whose text people write.
var guardedTypes = []event.Type{
	event.EventMessage, event.EventSticker, event.EventReaction, event.EventRedaction, event.EventUnstablePollStart,
	{Type: "m.poll.start", Class: event.MessageEventType}, event.StateRoomName, event.StateTopic,
}

// secretGuard sees what people write before the framework does, decrypted if need be. A
// credential that the bot has not asked for goes no further; every credential is removed
// from its room. The decision depends on the event and on the question that is open only,
// so handling an event again does no harm.
type secretGuard struct {
	m        *Main
	commands map[string]bool // every word that begins a command
	// running is locked while a command of a user runs: the framework asks for an answer some
	// moments before it takes one.
	running keyedLocks[id.UserID]
}

// watch puts the guard before the framework's handlers.
func (g *secretGuard) watch() {
	for _, kind := range guardedTypes {
		g.m.Matrix.EventProcessor.PrependHandler(kind, g.handle)
	}
	g.m.Matrix.EventProcessor.PrependHandler(event.StateMember, g.handleReason)
}

// handleReason removes a credential that is given as the reason of a change of members. The change
// itself is handled.
func (g *secretGuard) handleReason(ctx context.Context, e *event.Event) {
	content, ok := e.Content.Parsed.(*event.MemberEventContent)
	if !ok || !secret.InContent(content.Reason) || g.m.hs.IsOwn(e) {
		return
	}
	content.Reason = ""
	delete(e.Content.Raw, "reason")
	user, err := g.m.Bridge.GetExistingUserByMXID(ctx, e.Sender)
	if err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to look up who changed the members of a room")
	}
	g.refuse(ctx, e, user)
}

// handle lets an event pass, or drops it. A panic drops it, too.
func (g *secretGuard) handle(ctx context.Context, e *event.Event) {
	pass := false
	defer func() {
		if !pass {
			g.drop(e)
		}
	}()
	if homeserver.IsForwarded(e) {
		delete(e.Content.Raw, appservice.DoublePuppetKey) // or the framework takes it for the bridge's own
	}
	if g.m.hs.IsOwn(e) {
		pass = true
		return
	}
	user, err := g.m.Bridge.GetExistingUserByMXID(ctx, e.Sender)
	if err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to look up who wrote an event")
	}
	if user != nil && user.ManagementRoom == e.RoomID {
		unlock, err := g.running.lock(ctx, user.MXID)
		if err != nil {
			return
		}
		unlock()
	}
	switch {
	case g.asked(user, e):
		pass = true
		if g.erase(ctx, e.RoomID, e.ID, user) != nil {
			g.say(ctx, e, answerStays)
		}
		if object, ok := secret.Object(e.Content.AsMessage().Body); ok {
			e.Content.AsMessage().Body = object // the framework reads no lists
		}
	case g.sendsAnyway(e) && (user == nil || user.ManagementRoom != e.RoomID):
		pass = true
		g.unwrap(e)
	case secret.InContent(e.Content.Raw):
		g.refuse(ctx, e, user)
	default:
		pass = true
	}
}

// drop makes an event one that the framework ignores: the bot's own, without content.
// mautrix: appservice/eventprocessor.go calls all handlers of an event, until one can end that.
func (g *secretGuard) drop(e *event.Event) {
	*e = event.Event{ID: e.ID, RoomID: e.RoomID, Type: e.Type, Sender: g.m.Matrix.Bot.UserID, Timestamp: e.Timestamp, Content: event.Content{Raw: map[string]any{}}}
	_ = e.Content.ParseRaw(e.Type)
}

// asked reports whether the framework takes an event as credentials: in the management
// room, as the answer to its question or as the last word of a login command.
func (g *secretGuard) asked(user *bridgev2.User, e *event.Event) bool {
	message, ok := e.Content.Parsed.(*event.MessageEventContent)
	if !ok || e.Type != event.EventMessage || user == nil || user.ManagementRoom != e.RoomID || message.RelatesTo.GetReplaceID() != "" {
		return false
	}
	message.RemoveReplyFallback()
	words := strings.Fields(strings.TrimPrefix(message.Body, g.m.Config.Bridge.CommandPrefix+" "))
	if len(words) == 0 {
		return false
	}
	switch first := strings.ToLower(words[0]); {
	case first == "login":
		return len(words) == 3 && takesText(words[1])
	case first == "relogin":
		return len(words) == 4 && takesText(words[2]) && ownsLogin(g.m.Bridge, user, words[1])
	case g.commands[first]:
		return false
	}
	state := commands.LoadCommandState(user)
	return state != nil && state.Next != nil
}

// takesText reports whether a login flow takes its credential as an argument.
func takesText(flow string) bool {
	flow = strings.ToLower(flow)
	return flow == FlowToken || flow == FlowCode
}

// sendsAnyway reports whether somebody wants a text to be sent although it looks like a
// credential. That is an ordinary message, not a command: it must arrive once.
func (g *secretGuard) sendsAnyway(e *event.Event) bool {
	message, ok := e.Content.Parsed.(*event.MessageEventContent)
	if !ok || e.Type != event.EventMessage {
		return false
	}
	prefix := g.m.Config.Bridge.CommandPrefix
	text, ok := strings.CutPrefix(message.Body, prefix+" "+SendAnyway+" ")
	return ok && strings.TrimSpace(text) != "" && !strings.HasPrefix(text, prefix)
}

// unwrap takes the command from a text, which stays without its HTML.
func (g *secretGuard) unwrap(e *event.Event) {
	message := e.Content.AsMessage()
	message.Body = strings.TrimPrefix(message.Body, g.m.Config.Bridge.CommandPrefix+" "+SendAnyway+" ")
	message.Format, message.FormattedBody = "", ""
}

// refuse removes an event with a credential and answers its writer.
func (g *secretGuard) refuse(ctx context.Context, e *event.Event, user *bridgev2.User) {
	says := secretGone
	if err := g.erase(ctx, e.RoomID, e.ID, user); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Stringer("room", e.RoomID).Msg("Failed to remove a secret from a room")
		says = secretStays
	}
	if portal, err := g.m.Bridge.GetPortalByMXID(ctx, e.RoomID); err == nil && portal != nil {
		says += howToSend
		g.restore(ctx, portal, e.Type)
	} else {
		says += howToLogin
	}
	g.say(ctx, e, says)
}

// restore gives a room back the name or topic that it had before a credential.
func (g *secretGuard) restore(ctx context.Context, portal *bridgev2.Portal, kind event.Type) {
	content := event.Content{}
	switch kind {
	case event.StateRoomName:
		content.Parsed = &event.RoomNameEventContent{Name: portal.Name}
	case event.StateTopic:
		content.Parsed = &event.TopicEventContent{Topic: portal.Topic}
	default:
		return
	}
	if _, err := g.m.Bridge.Bot.SendState(ctx, portal.MXID, kind, "", &content, zeroTime); err != nil {
		zerolog.Ctx(ctx).Err(err).Stringer("room", portal.MXID).Msg("Failed to give a room its name or topic back")
	}
}

// erase removes an event from its room: as the bot, or as its writer where the bot may not.
func (g *secretGuard) erase(ctx context.Context, room id.RoomID, target id.EventID, writer *bridgev2.User) (err error) {
	content := &event.Content{Parsed: &event.RedactionEventContent{Redacts: target}}
	ctx = homeserver.WithPatience(ctx)
	for range eraseTries {
		if _, err = g.m.Bridge.Bot.SendMessage(ctx, room, event.EventRedaction, content, nil); err != nil && !mayHelp(err) && writer != nil {
			if puppet := writer.DoublePuppet(ctx); puppet != nil {
				_, err = puppet.SendMessage(ctx, room, event.EventRedaction, content, nil)
			}
		}
		if !mayHelp(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(homeserver.Patience):
		}
	}
	return err
}

// say is reply about a secret; a failure is only logged.
func (g *secretGuard) say(ctx context.Context, e *event.Event, says string) {
	if err := g.reply(ctx, e, "secret", says); err != nil {
		zerolog.Ctx(ctx).Err(err).Stringer("room", e.RoomID).Msg("Failed to say that a secret was sent")
	}
}

// reply sends the writer of an event a notice. Handling the event again does not repeat it.
func (g *secretGuard) reply(ctx context.Context, e *event.Event, kind, says string) error {
	content := format.RenderMarkdown(strings.ReplaceAll(says, "$cmdprefix", g.m.Config.Bridge.CommandPrefix), true, false)
	content.MsgType = event.MsgNotice
	content.Mentions = &event.Mentions{UserIDs: []id.UserID{e.Sender}}
	content.RelatesTo = (&event.RelatesTo{}).SetReplyTo(e.ID)
	extra := &bridgev2.MatrixSendExtra{TransactionID: homeserver.OnceID(kind, e.ID)}
	_, err := g.m.Bridge.Bot.SendMessage(homeserver.WithPatience(ctx), e.RoomID, event.EventMessage, &event.Content{Parsed: &content}, extra)
	return err
}
