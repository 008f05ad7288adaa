package hangouts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// The elements of the login pages (protocol §4.4).
const (
	loginForm        = "gaia_loginform"
	emailInput       = "Email"
	passwordInput    = "Passwd"
	verificationForm = "challenge"
	totpInput        = "totpPin"
	phoneInput       = "idvPreregisteredPhonePin"
	totpChoice       = "/signin/challenge/totp/2"
	phoneChoice      = "/signin/challenge/ipp/4"
	codeCookie       = "oauth_code"
)

// page is a login page.
type page struct {
	address *url.URL
	root    *html.Node
}

// credentialLogin fills in the login pages like a browser and returns the authorization code.
func (a *accountService) credentialLogin(ctx context.Context, prompt CredentialsPrompt) (string, error) {
	p, err := a.load(ctx, http.MethodGet, a.cfg.loginURL(), nil)
	if err != nil {
		return "", err
	}
	email, err := prompt.Email(ctx)
	if err != nil {
		return "", err
	}
	if p, err = a.submit(ctx, p, byID(loginForm), map[string]string{emailInput: email}); err != nil {
		return "", err
	}
	password, err := prompt.Password(ctx)
	if err != nil {
		return "", err
	}
	if p, err = a.submit(ctx, p, byID(loginForm), map[string]string{passwordInput: password}); err != nil {
		return "", err
	}
	if p, err = a.verify(ctx, p, prompt); err != nil {
		return "", err
	}
	code := a.recorder.named(codeCookie)
	if code == "" {
		return "", p.refusal()
	}
	return code, nil
}

// verify answers the second step of a log-in, if one is asked for, and returns the last page.
func (a *accountService) verify(ctx context.Context, p *page, prompt CredentialsPrompt) (_ *page, err error) {
	for _, action := range []string{totpChoice, phoneChoice} {
		if find(p.root, byAction(action)) != nil {
			if p, err = a.submit(ctx, p, byAction(action), nil); err != nil {
				return nil, err
			}
			break
		}
	}
	form := find(p.root, byID(verificationForm))
	if form == nil {
		return p, nil
	}
	input := ""
	for _, id := range []string{phoneInput, totpInput} {
		if find(form, byID(id)) != nil {
			input = id
		}
	}
	if input == "" {
		if err := p.beyond(); err != nil {
			return nil, err
		}
		return nil, &GoogleAuthError{Step: "unknown verification code input"}
	}
	code, err := prompt.VerificationCode(ctx)
	if err != nil {
		return nil, err
	}
	return a.submit(ctx, p, byID(verificationForm), map[string]string{input: code})
}

// load fetches a page. Its errors name no address: queries hold tokens.
func (a *accountService) load(ctx context.Context, method, address string, form url.Values) (*page, error) {
	const step = "login page"
	ctx, cancel := context.WithTimeout(ctx, a.cfg.RequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &GoogleAuthError{Step: step, Err: newTransportError(err)}
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, &GoogleAuthError{Step: step, Err: newTransportError(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, &GoogleAuthError{Step: step, Code: resp.StatusCode}
	}
	root, err := html.Parse(&countedPage{body: resp.Body})
	if errors.Is(err, ErrResponse) {
		return nil, &GoogleAuthError{Step: step, Err: err}
	}
	if err != nil {
		return nil, &GoogleAuthError{Step: step, Err: newTransportError(err)}
	}
	return &page{address: resp.Request.URL, root: root}, nil
}

// submit sends a form of a page, with values for inputs given by their ids.
func (a *accountService) submit(ctx context.Context, p *page, which selector, values map[string]string) (*page, error) {
	form := find(p.root, which)
	if form == nil {
		if err := p.beyond(); err != nil {
			return nil, err
		}
		return nil, &GoogleAuthError{Step: "login form not found on the page"}
	}
	fields, err := formFields(form, values)
	if err != nil {
		return nil, cmp.Or(p.beyond(), err)
	}
	target, err := p.address.Parse(attr(form, "action"))
	if err != nil {
		return nil, &GoogleAuthError{Step: "login form has no usable address"}
	}
	if !a.allowed(target) {
		return nil, &GoogleAuthError{Step: "login form", Err: fmt.Errorf("%w: %s://%s", ErrUntrustedHost, target.Scheme, target.Host)}
	}
	if strings.EqualFold(attr(form, "method"), http.MethodPost) {
		return a.load(ctx, http.MethodPost, target.String(), fields)
	}
	target.RawQuery = fields.Encode()
	return a.load(ctx, http.MethodGet, target.String(), nil)
}
