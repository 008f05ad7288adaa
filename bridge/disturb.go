package bridge

import (
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix/bridgev2/commands"

	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// disturbCommand keeps the person's Hangouts apps quiet. It is no request of a conversation, and setting it
// again changes nothing, so it is asked for directly.
var disturbCommand = &commands.FullHandler{
	Name: "do-not-disturb", Aliases: []string{"dnd"}, Func: doNotDisturb, RequiresLogin: true,
	Help: commands.HelpMeta{Section: commands.HelpSectionGeneral, Args: "<_hours_>|`off`", Description: "Keep all your Hangouts apps quiet for some hours, at most 72, or end that"},
}

// maxQuiet is the longest time that clients of Hangouts offer, about (protocol §8.7).
const maxQuiet = 72

func doNotDisturb(ce *commands.Event) {
	client, args := clientOf(ce)
	if client == nil {
		return
	}
	wanted := strings.ToLower(strings.Join(args, " "))
	hours, err := strconv.Atoi(wanted)
	if off := wanted == "off"; !off && (err != nil || hours < 1 || hours > maxQuiet) {
		ce.Reply("Usage: `$cmdprefix do-not-disturb <hours>`, from 1 to %d, or `$cmdprefix do-not-disturb off`", maxQuiet)
		return
	}
	if err = client.session.SetDoNotDisturb(ce.Ctx, time.Duration(hours)*time.Hour); err != nil {
		ce.Log.Warn().Err(err).Msg("Failed to set do not disturb")
		ce.Reply("%s", portal.Sentence(err))
		return
	}
	if hours == 0 {
		ce.Reply("Your Hangouts apps may make noise again.")
		return
	}
	ce.Reply("Your Hangouts apps are quiet for %d hours. Rooms in Matrix are not: mute them there.", hours)
}

// noBlocking is said of block-user: people are blocked by another service than that of the chats
// (protocol §3.1).
const noBlocking = "I cannot block people: Hangouts lets only its own apps do that. Block this person in a Hangouts app; `$cmdprefix mute` makes their messages silent."

// blockUser is the command block-user, which the framework would only refuse.
func blockUser(ce *commands.Event) {
	ce.Reply(noBlocking)
}
