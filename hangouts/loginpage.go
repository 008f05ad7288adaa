package hangouts

import (
	"strings"

	"golang.org/x/net/html"
)

// beyond are signs on a login page of what no prompt can answer (protocol §4.4): part of the
// address of a form or of a picture, or an id.
var beyond = []struct{ sign, what string }{
	{"/signin/challenge/az", "confirmation on another device"},
	{"/signin/challenge/dp", "confirmation on another device"},
	{"/signin/challenge/sk", "a security key"},
	{"/signin/challenge/pk", "a passkey"},
	{"/signin/challenge/recaptcha", "a captcha"},
	{"captcha", "a captcha"},
	{"/signin/rejected", "another browser: it does not trust this one"},
	{"/signin/newfeatures", "consent in a browser"},
	{"/speedbump", "consent in a browser"},
}

// beyond returns an ErrLoginBeyond when the page asks for what cannot be given here.
func (p *page) beyond() error {
	what := ""
	notice := func(text string) {
		text = strings.ToLower(text)
		for _, b := range beyond {
			if what == "" && strings.Contains(text, b.sign) {
				what = b.what
			}
		}
	}
	notice(p.address.Path)
	walk(p.root, func(n *html.Node) bool {
		if n.Type == html.ElementNode {
			for _, name := range []string{"id", "action", "src", "class"} {
				notice(attr(n, name))
			}
		}
		return what != ""
	})
	if what == "" {
		return nil
	}
	return &GoogleAuthError{Step: "the login page asks for " + what, Err: ErrLoginBeyond}
}

// refusal is the error of a log-in that ended on a page without the code.
func (p *page) refusal() error {
	if err := p.beyond(); err != nil {
		return err
	}
	const step = "authorization code cookie not found"
	for _, again := range []struct{ id, what string }{
		{passwordInput, "password"}, {totpInput, "verification code"}, {phoneInput, "verification code"}, {emailInput, "e-mail address"},
	} {
		if find(p.root, byID(again.id)) != nil {
			return &GoogleAuthError{Step: step + ": the page asks for the " + again.what + " again", Err: ErrRefused}
		}
	}
	return &GoogleAuthError{Step: step}
}
