package bridge

import (
	"maunium.net/go/mautrix/bridgev2/status"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Codes of bridge states.
const (
	stateRefused      status.BridgeStateErrorCode = "hangouts-bad-credentials"
	stateAccountGone  status.BridgeStateErrorCode = "hangouts-account-gone"
	stateOffline      status.BridgeStateErrorCode = "hangouts-disconnected"
	stateAttachFailed status.BridgeStateErrorCode = "hangouts-attach-failed"
)

func init() {
	status.BridgeStateHumanErrors.Update(status.BridgeStateErrorMap{
		stateRefused:      "Hangouts does not accept your login any more. Log in again; rooms and history stay.",
		stateAccountGone:  "The account of this login is not known any more. Log in again.",
		stateOffline:      "The connection to Hangouts is lost; trying again.",
		stateAttachFailed: "The account could not be read. The log has more.",
	})
}

// bridgeState is an account's state in bridgev2's words; ok is false for unknown ones.
func bridgeState(state chat.AccountState) (out status.BridgeState, ok bool) {
	switch state.Status {
	case chat.Connecting:
		out.StateEvent = status.StateConnecting
	case chat.Connected:
		out.StateEvent = status.StateConnected
	case chat.Disconnected:
		out.StateEvent, out.Error = status.StateTransientDisconnect, stateOffline
	case chat.BadCredentials:
		out.StateEvent, out.Error = status.StateBadCredentials, stateRefused
	default:
		return out, false
	}
	if out.Error != "" && state.Reason != "" {
		out.Reason = state.Reason
	}
	return out, true
}
