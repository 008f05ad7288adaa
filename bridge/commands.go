package bridge

import (
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/matrix"
)

// adminCommands replace three commands of the framework that expect its own types, which
// we wrap.
func (m *Main) adminCommands() []commands.CommandHandler {
	setPower, discard, ping := *matrix.CommandSetPowerLevel, *matrix.CommandDiscardMegolmSession, *matrix.CommandPingMatrix
	setPower.Func = func(ce *commands.Event) {
		if bot, ok := ce.Bot.(*intent); ok {
			ce.Bot = bot.ASIntent
		}
		matrix.CommandSetPowerLevel.Func(ce)
	}
	discard.Func = func(ce *commands.Event) {
		if m.Matrix.Crypto == nil {
			ce.Reply("This bridge instance doesn't have end-to-bridge encryption enabled")
			return
		}
		m.Matrix.Crypto.ResetSession(ce.Ctx, ce.RoomID)
		ce.Reply("Successfully reset Megolm session in this room. New decryption keys will be shared the next time a message is sent from the remote network.")
	}
	ping.Func = pingMatrix
	return []commands.CommandHandler{&setPower, &discard, &ping}
}

func pingMatrix(ce *commands.Event) {
	puppet, ok := ce.User.DoublePuppet(ce.Ctx).(*intent)
	if !ok {
		ce.Reply("You don't have double puppeting enabled.")
		return
	}
	who, err := puppet.Matrix.Whoami(ce.Ctx)
	switch {
	case err != nil:
		ce.Reply("Failed to validate Matrix login: %v", err)
	case puppet.Matrix.SetAppServiceUserID && who.DeviceID == "":
		ce.Reply("Confirmed valid access token for %s (appservice double puppeting)", who.UserID)
	default:
		ce.Reply("Confirmed valid access token for %s / %s", who.UserID, who.DeviceID)
	}
}
