package bridge

import (
	"fmt"
	"strings"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"
)

// descriptions are what the help says of the framework's commands. One that is not here is not
// shown: it does nothing here, or nothing for people.
var descriptions = map[string]string{
	"help":                   "Show what I can do",
	"cancel":                 "Forget the question that I have asked",
	"version":                "Show which program I am",
	"login":                  "Log in to a Hangouts account",
	"relogin":                "Log in again to an account whose login Google does not accept any more. Its rooms stay",
	"list-logins":            "List your accounts",
	"logout":                 "Log an account out. Its rooms stay",
	"login-matrix":           "Let me act as you, with an access token, where the server does not allow it anyway",
	"logout-matrix":          "Forget that access token",
	"ping-matrix":            "Check that I can act as you",
	"start-chat":             "Open the conversation with a person: by Gaia id, user id in Matrix, e-mail address, telephone number or name",
	"resolve-identifier":     "Look a person up, as for start-chat",
	"search":                 "Search people by name, e-mail address or telephone number, also those you have no conversation with",
	"id":                     "Show the id of this conversation",
	"sync-portal":            "Bring this room up to date",
	"bridge":                 "Make this room the room of a conversation",
	"unbridge":               "Take this room away from its conversation",
	"set-preferred-login":    "Choose which of your accounts writes in this room",
	"set-relay":              "Let people without an account write in this room through one",
	"unset-relay":            "End that",
	"set-management-room":    "Make this room our direct chat",
	"filter":                 "Choose which conversations get rooms, until the next start",
	"sudo":                   "Run a command as another user",
	"doin":                   "Run a command in another room",
	"delete-portal":          "Delete the room of this conversation",
	"delete-all-portals":     "Delete the rooms of all conversations",
	"set-pl":                 "Change the power of a user in this room",
	"discard-megolm-session": "Use new keys from the next encrypted message on",
}

// theirGreeting begins what the framework says when the bot is invited to a room of two.
// mautrix: bridgev2/matrixinvite.go, until the text can be chosen.
const theirGreeting = "Hello, I'm a "

// greeting is what a newcomer reads first, or "" if a message of the bot is no greeting.
func (m *Main) greeting(body string) string {
	switch {
	case !strings.HasPrefix(body, theirGreeting):
		return ""
	case strings.Contains(body, "management room"):
		return "Hello! I connect your Hangouts account with Matrix.\n\n" +
			"1. Send `login`. I ask for what I need, and only here.\n" +
			"2. The rooms of your latest conversations appear; `open` lists the others.\n" +
			"3. `start-chat` begins a new conversation, and `help` shows all that I can do."
	}
	return fmt.Sprintf("Hello! I connect Hangouts with Matrix. `%s help` shows what I can do; log in only in our direct chat.", m.Config.Bridge.CommandPrefix)
}

// said is a text of the bot that is no notice: clients show it as unread.
func said(markdown string) *event.Content {
	content := format.RenderMarkdown(markdown, true, false)
	return &event.Content{Parsed: &content}
}
