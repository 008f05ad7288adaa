package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/format"

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
		if state.Reason != "" { // it was connected, but could not be trusted any more
			out.StateEvent, out.Error = status.StateTransientDisconnect, stateOffline
		}
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

// noticeDelay is how long a connection may be lost before its user is told, unless
// Options.NoticeDelay says otherwise.
const noticeDelay = 3 * time.Minute

// notices tells a user in the management room how an account is doing, as
// bridge.bridge_status_notices says (none, errors, all). bridgev2's own notices are switched
// off: they are made while the state changes.
type notices struct {
	mode  string
	delay time.Duration
	login *bridgev2.UserLogin

	mu      sync.Mutex
	last    status.BridgeState
	told    bool // of a failure
	delayed *time.Timer
}

// tell takes the latest state.
func (n *notices) tell(ctx context.Context, state status.BridgeState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state.StateEvent == n.last.StateEvent && state.Error == n.last.Error && state.Reason == n.last.Reason {
		return
	}
	n.last = state
	trying := state.StateEvent == status.StateConnecting || state.StateEvent == status.StateTransientDisconnect
	if n.delayed != nil && !trying {
		n.delayed.Stop()
		n.delayed = nil
	}
	switch {
	case state.StateEvent == status.StateBadCredentials, state.StateEvent == status.StateUnknownError:
		n.send(ctx, state, true)
	case state.StateEvent == status.StateConnected && n.told, n.mode == "all":
		n.send(ctx, state, false)
	case state.StateEvent == status.StateTransientDisconnect && !n.told && n.delayed == nil:
		n.delayed = time.AfterFunc(n.delay, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.delayed != nil && ctx.Err() == nil {
				n.delayed = nil
				n.send(ctx, state, true)
			}
		})
	}
}

// send writes a notice; mu is held.
func (n *notices) send(ctx context.Context, state status.BridgeState, failure bool) {
	if n.mode != "all" && n.mode != "errors" {
		return
	}
	room, err := n.login.User.GetManagementRoom(ctx)
	if err == nil {
		content := format.RenderMarkdown(n.text(state), true, false)
		if !failure {
			content.MsgType = event.MsgNotice
		}
		_, err = n.login.Bridge.Bot.SendMessage(ctx, room, event.EventMessage, &event.Content{Parsed: content, Raw: map[string]any{"fi.mau.bridge_state": state}}, nil)
	}
	if err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to tell the user how the account is doing")
		n.last = status.BridgeState{} // told when it is announced again
		return
	}
	n.told = failure
}

func (n *notices) text(state status.BridgeState) string {
	name := n.login.RemoteName
	if name == "" {
		name = fmt.Sprintf("`%s`", n.login.ID)
	}
	text := fmt.Sprintf("State update for %s: `%s`", name, state.StateEvent)
	if says := status.BridgeStateHumanErrors[state.Error]; says != "" {
		text += ": " + says
	}
	return text
}

// stop ends the wait for a connection to come back.
func (n *notices) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.delayed != nil {
		n.delayed.Stop()
		n.delayed = nil
	}
}
