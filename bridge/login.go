package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Login flows and steps. Their ids are public API.
const (
	FlowCookies = "cookies"
	FlowToken   = "token"
	FlowCode    = "code"

	stepCookies  = "com.github.hangouts-bridge.cookies"
	stepToken    = "com.github.hangouts-bridge.token"
	stepCode     = "com.github.hangouts-bridge.code"
	stepComplete = "com.github.hangouts-bridge.complete"

	fieldToken = "refresh_token"
	fieldCode  = "authorization_code"
)

// loginCookies are the cookies of a Google session, the indispensable one first
// (protocol §4.5). A pasted JSON object may hold more of them.
var loginCookies = []string{
	"SAPISID", "SID", "HSID", "SSID", "APISID",
	"__Secure-1PSID", "__Secure-3PSID", "__Secure-1PAPISID", "__Secure-3PAPISID", "__Secure-1PSIDTS", "__Secure-3PSIDTS", "OSID", "NID",
}

// requiredCookies of loginCookies have to be there.
var requiredCookies = map[string]bool{"SAPISID": true, "SID": true}

const cookiesInstructions = "Log in to your Google account in a **private window** of a browser, open <%s>, then copy its cookies: " +
	"either a request of that page as cURL command (developer tools, network, copy as cURL) or JSON, an object of names and values or what an extension of the browser exports. " +
	"Send that here and close the window **without logging out**.%s"

const tokenInstructions = "Send the refresh token of your Google account, as a Hangouts client has stored it."

const codeInstructions = "Open <%s>, log in, and when the page keeps loading look up the cookie `oauth_code` of that site in the developer tools. " +
	"Send its value here: it works once."

// Pages are the pages on which a person logs in to the network.
type Pages struct {
	Site string // of the service; empty: Google's
	Code string // shows an authorization code; empty: there is none
}

func (p Pages) site() string {
	return strings.TrimSuffix(cmp.Or(p.Site, "https://hangouts.google.com"), "/")
}

// GetLoginFlows implements bridgev2.NetworkConnector.
func (c *Connector) GetLoginFlows() []bridgev2.LoginFlow {
	flows := []bridgev2.LoginFlow{
		{ID: FlowCookies, Name: "Cookies", Description: "Log in with the cookies of a browser session"},
		{ID: FlowToken, Name: "Refresh token", Description: "Log in with a stored refresh token"},
	}
	if c.pages().Code != "" {
		flows = append(flows, bridgev2.LoginFlow{ID: FlowCode, Name: "Authorization code", Description: "Log in with a code that a browser shows"})
	}
	return flows
}

// CreateLogin implements bridgev2.NetworkConnector.
func (c *Connector) CreateLogin(_ context.Context, user *bridgev2.User, flow string) (bridgev2.LoginProcess, error) {
	base := loginProcess{connector: c, user: user}
	switch flow {
	case FlowCookies:
		return &cookieLogin{base}, nil
	case FlowToken:
		return &textLogin{base, textFlow{
			step: stepToken, field: fieldToken, name: "refresh token", instructions: tokenInstructions,
			credentials: func(text string) chat.Credentials { return chat.Credentials{RefreshToken: text} },
		}}, nil
	case FlowCode:
		if page := c.pages().Code; page != "" {
			return &textLogin{base, textFlow{
				step: stepCode, field: fieldCode, name: "authorization code", instructions: fmt.Sprintf(codeInstructions, page),
				credentials: func(text string) chat.Credentials { return chat.Credentials{Code: text} },
			}}, nil
		}
	}
	return nil, bridgev2.ErrInvalidLoginFlowID
}

type loginProcess struct {
	connector *Connector
	user      *bridgev2.User
	of        chat.PersonID // the account that is logged in again; empty: any
}

// again makes the process log in an existing login again, which has to be its user's.
func (p *loginProcess) again(override *bridgev2.UserLogin) error {
	if override.UserMXID != p.user.MXID {
		return bridgev2.RespError(mautrix.MNotFound.WithMessage("Login not found"))
	}
	of, err := ids.ParseLoginID(override.ID)
	p.of = of
	return err
}

// Cancel implements bridgev2.LoginProcess: nothing is held between steps.
func (p *loginProcess) Cancel() {}

// cookieLogin asks for cookies.
type cookieLogin struct{ loginProcess }

var (
	_ bridgev2.LoginProcessCookies      = (*cookieLogin)(nil)
	_ bridgev2.LoginProcessWithOverride = (*cookieLogin)(nil)
)

// StartWithOverride implements bridgev2.LoginProcessWithOverride.
func (p *cookieLogin) StartWithOverride(ctx context.Context, override *bridgev2.UserLogin) (*bridgev2.LoginStep, error) {
	if err := p.again(override); err != nil {
		return nil, err
	}
	return p.Start(ctx)
}

// Start implements bridgev2.LoginProcess. The fields have no patterns: a value that does
// not fit one would be repeated in the room.
func (p *cookieLogin) Start(ctx context.Context) (*bridgev2.LoginStep, error) {
	site := p.connector.pages().site()
	params := &bridgev2.LoginCookiesParams{URL: site + "/"}
	for _, name := range loginCookies {
		params.Fields = append(params.Fields, bridgev2.LoginCookieField{
			ID: name, Required: requiredCookies[name],
			Sources: []bridgev2.LoginCookieFieldSource{{Type: bridgev2.LoginCookieTypeCookie, Name: name, CookieDomain: ".google.com"}},
		})
	}
	return &bridgev2.LoginStep{Type: bridgev2.LoginStepTypeCookies, StepID: stepCookies, CookiesParams: params,
		Instructions: fmt.Sprintf(cookiesInstructions, site, removalOf(ctx).sentence())}, nil
}

// SubmitCookies implements bridgev2.LoginProcessCookies.
func (p *cookieLogin) SubmitCookies(ctx context.Context, cookies map[string]string) (*bridgev2.LoginStep, error) {
	given := map[string]string{}
	for name, value := range cookies {
		if value = strings.TrimSpace(value); value != "" {
			given[name] = value
		}
	}
	return p.complete(ctx, chat.Credentials{Cookies: given, Of: p.of})
}

// textLogin asks for one line of text that is a credential.
type textLogin struct {
	loginProcess
	textFlow
}

// textFlow is which text a textLogin asks for.
type textFlow struct {
	step, field, name string
	instructions      string
	credentials       func(text string) chat.Credentials
}

var (
	_ bridgev2.LoginProcessUserInput    = (*textLogin)(nil)
	_ bridgev2.LoginProcessWithOverride = (*textLogin)(nil)
)

// StartWithOverride implements bridgev2.LoginProcessWithOverride.
func (p *textLogin) StartWithOverride(ctx context.Context, override *bridgev2.UserLogin) (*bridgev2.LoginStep, error) {
	if err := p.again(override); err != nil {
		return nil, err
	}
	return p.Start(ctx)
}

// Start implements bridgev2.LoginProcess.
func (p *textLogin) Start(ctx context.Context) (*bridgev2.LoginStep, error) {
	return &bridgev2.LoginStep{
		Type: bridgev2.LoginStepTypeUserInput, StepID: p.step, Instructions: p.instructions + removalOf(ctx).sentence(),
		UserInputParams: &bridgev2.LoginUserInputParams{Fields: []bridgev2.LoginInputDataField{
			{Type: bridgev2.LoginInputFieldTypeToken, ID: p.field, Name: p.name},
		}},
	}, nil
}

// SubmitUserInput implements bridgev2.LoginProcessUserInput.
func (p *textLogin) SubmitUserInput(ctx context.Context, input map[string]string) (*bridgev2.LoginStep, error) {
	credentials := p.credentials(strings.TrimSpace(input[p.field]))
	credentials.Of = p.of
	return p.complete(ctx, credentials)
}

// complete logs the account in and makes, or renews, the Matrix user's login for it.
func (p *loginProcess) complete(ctx context.Context, credentials chat.Credentials) (*bridgev2.LoginStep, error) {
	unlock, err := p.connector.logins.lock(ctx, p.user.MXID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	session, err := p.connector.accounts.Login(ctx, credentials, matrixUser(p.user.MXID))
	if err != nil {
		return nil, loginError(ctx, err, credentials)
	}
	login, err := p.connector.newLogin(ctx, p.user, session)
	if err != nil {
		return nil, loginError(ctx, err, credentials)
	}
	return &bridgev2.LoginStep{
		Type: bridgev2.LoginStepTypeComplete, StepID: stepComplete,
		Instructions:   fmt.Sprintf("Logged in as %s. Rooms of your latest conversations follow.", login.RemoteName),
		CompleteParams: &bridgev2.LoginCompleteParams{UserLoginID: login.ID, UserLogin: login},
	}, nil
}

// newLogin makes, or renews, a Matrix user's login for an account and connects it. The
// user's lock is held.
func (c *Connector) newLogin(ctx context.Context, user *bridgev2.User, session account.Session) (*bridgev2.UserLogin, error) {
	// A login that exists is changed below; nothing of it may run meanwhile.
	if old := c.bridge.GetCachedUserLoginByID(ids.MakeLoginID(session.ID())); old != nil {
		old.Client.Disconnect()
	}
	// The first use of a double puppet saves the user, which must not happen beside NewLogin.
	user.DoublePuppet(ctx)
	name := session.Self().DisplayName()
	login, err := user.NewLogin(ctx, &bridgedb.UserLogin{
		ID: ids.MakeLoginID(session.ID()), RemoteName: name, RemoteProfile: status.RemoteProfile{Name: name}, Metadata: loginMetadata(session.ID()),
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("save login: %w", err)
	}
	login.Client.Connect(login.Log.WithContext(c.bridge.BackgroundCtx))
	return login, nil
}

// loginError says why a login failed. The error itself goes to the log only, without the
// credentials, which a library may have put into it.
func loginError(ctx context.Context, err error, credentials chat.Credentials) error {
	hidden := []string{}
	for _, value := range append(slices.Collect(maps.Values(credentials.Cookies)), credentials.RefreshToken, credentials.Code) {
		if value != "" {
			hidden = append(hidden, value, "…", url.QueryEscape(value), "…")
		}
	}
	zerolog.Ctx(ctx).Warn().Str("error", strings.NewReplacer(hidden...).Replace(err.Error())).Msg("Login failed")
	for _, row := range []struct {
		err  error
		says string
		as   mautrix.RespError
	}{
		{chat.ErrBadCredentials, "Google does not accept these credentials. Copy them again, from a session that is still logged in.", mautrix.MForbidden},
		{chat.ErrOtherAccount, "These credentials belong to another Google account than the login that you named. Nothing was changed. Use `login` to add that account.", mautrix.MForbidden},
		{chat.ErrForbidden, "This account is logged in by another Matrix user already.", mautrix.MForbidden},
		{chat.ErrUnavailable, "Google cannot be reached at present. Try again later.", mautrix.MUnknown},
	} {
		if errors.Is(err, row.err) {
			return bridgev2.RespError(row.as.WithMessage("%s", row.says))
		}
	}
	return bridgev2.RespError(mautrix.MUnknown.WithMessage("The login failed; the bridge's log says why."))
}

// matrixUser is a Matrix user as the accounts know them.
func matrixUser(user id.UserID) account.User {
	return account.User{Side: chat.OriginMatrix, ID: string(user)}
}
