package homeserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"maunium.net/go/mautrix"
)

// Pauses between attempts to reach the homeserver.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// Await returns when the homeserver answers us and reaches us. That it does not
// yet is said once; a registration that does not fit is an error.
func (c *Connector) Await(ctx context.Context) error {
	pause, said := firstPause, ""
	for {
		err := c.check(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1))
		if err == nil || errors.Is(err, ErrRegistration) || ctx.Err() != nil {
			return err
		}
		if now := problem(err); now != said {
			said = now
			c.Log.Warn().Err(err).Str("homeserver", c.Config.Homeserver.Address).
				Msg("Matrix starts later: " + now + ". Everything else runs meanwhile; trying again in the background")
		}
		Sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
}

var (
	errBadStatus     = mautrix.RespError{ErrCode: "M_BAD_STATUS"}
	errNoConnection  = mautrix.RespError{ErrCode: "M_CONNECTION_FAILED"}
	errNoConnection2 = mautrix.RespError{ErrCode: "M_CONNECTION_TIMEOUT"}
)

func problem(err error) string {
	if errors.Is(err, errNoConnection) || errors.Is(err, errNoConnection2) || errors.Is(err, errBadStatus) {
		return "the homeserver cannot reach the bridge at appservice.address"
	}
	return "the homeserver cannot be reached"
}

// check looks whether both sides accept each other.
func (c *Connector) check(ctx context.Context) error {
	bot := c.Bot
	_, err := bot.Versions(ctx)
	if errors.Is(err, mautrix.MForbidden) {
		if err = bot.EnsureRegistered(ctx); err == nil {
			_, err = bot.Versions(ctx)
		}
	}
	if err == nil {
		var who *mautrix.RespWhoami
		if who, err = bot.Whoami(ctx); err == nil && who.UserID != bot.UserID {
			return fmt.Errorf("%w: the homeserver takes us for %s instead of %s (homeserver.domain, appservice.bot.username)", ErrRegistration, who.UserID, bot.UserID)
		} else if errors.Is(err, mautrix.MForbidden) {
			err = bot.EnsureRegistered(ctx)
		}
	}
	switch {
	case errors.Is(err, mautrix.MUnknownToken), errors.Is(err, mautrix.MMissingToken):
		return fmt.Errorf("%w: the homeserver does not accept appservice.as_token. Install the registration file there and restart it (%w)", ErrRegistration, err)
	case errors.Is(err, mautrix.MExclusive), errors.Is(err, mautrix.MForbidden):
		return fmt.Errorf("%w: the homeserver does not let us be %s. Compare homeserver.domain, appservice.bot.username and username_template with the registration (%w)", ErrRegistration, bot.UserID, err)
	case err != nil:
		return err
	}
	return c.ping(ctx)
}

// ping asks the homeserver to call us, which also ends its pause after an outage.
func (c *Connector) ping(ctx context.Context) error {
	bot := c.Bot
	if c.server == nil || !bot.Client.SpecVersions.Supports(mautrix.FeatureAppservicePing) {
		return nil
	}
	_, err := bot.AppservicePing(ctx, c.AS.Registration.ID, bot.TxnID())
	switch {
	case errors.Is(err, errBadStatus) && !passing(err):
		return fmt.Errorf("%w: the homeserver's hs_token is not appservice.hs_token, or appservice.address is another program's (%w)", ErrRegistration, err)
	case errors.Is(err, mautrix.MForbidden):
		return fmt.Errorf("%w: appservice.id is not that of the registration (%w)", ErrRegistration, err)
	}
	return err
}

// passing reports whether the answer that the homeserver got instead of ours says that
// something before us is down or busy, and not that the registration is wrong.
func passing(err error) bool {
	var resp mautrix.RespError
	if !errors.As(err, &resp) {
		return false
	}
	status, _ := resp.ExtraData["status"].(float64)
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}
