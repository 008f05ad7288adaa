package hangouts_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

const (
	emailPage = `<html><body><form id="other"><input name="x" value="1"></form>
		<form id="gaia_loginform" method="post" action="/password"><input type=hidden name=GALX value="h&amp;1">
		<input id=Email name=Email value=""><input type=checkbox name=off><input type=checkbox name=on value=y checked>
		<input type=submit name=signIn value=Next><input type=submit name=second value=No><input type=button name=b value=b></form>`
	passwordPage = `<form id="gaia_loginform" action="/check?old=1" method="POST"><input id="Passwd" name="Passwd" type="password"><input name="h" type=hidden></form>`
	choicePage   = `<form action="/signin/challenge/ipp/4" method=post></form><form action="/signin/challenge/totp/2" method="post"><input type=hidden name=c value=2></form>`
	phonePage    = `<form action="/signin/challenge/ipp/4" method=post><input type=hidden name=c value=4></form>`
	totpPage     = `<form id=challenge method=post action=/verify><input id=totpPin name=Pin><input id=idvPreregisteredPhonePin name=P></form>`
	smsPage      = `<form id=challenge action=/verify><input id=idvPreregisteredPhonePin name=Pin></form>`
)

// pages serves a page for each path; the path "/done" sets the code cookie on the way.
func pages(a *accounts, byPath map[string]string) {
	a.login = func(w http.ResponseWriter, r *http.Request) {
		if byPath[r.URL.Path] == "done" {
			http.SetCookie(w, &http.Cookie{Name: "oauth_code", Value: "4/code"})
			http.Redirect(w, r, "/end", http.StatusFound)
			return
		}
		text, ok := byPath[r.URL.Path]
		if !ok {
			text = "<html></html>"
		}
		_, _ = io.WriteString(w, text)
	}
}

func TestCredentialLogin(t *testing.T) {
	login := "GET /o/oauth2/programmatic_auth client_id=id.apps&device_name=hangups&scope=https%3A%2F%2Fwww.google.com%2Faccounts%2FOAuthLogin+https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email"
	email := "POST /password Email=my+email&GALX=h%261&on=y&signIn=Next"
	tests := []struct {
		name  string
		pages map[string]string
		asked string
		log   []string
	}{
		{"password only", map[string]string{"/check": "done"}, "email password", []string{"POST /check Passwd=my+password&h=&old=1", "GET /end "}},
		{"app code by choice", map[string]string{"/check": choicePage, "/signin/challenge/totp/2": totpPage, "/verify": "done"}, "email password code",
			[]string{"POST /check Passwd=my+password&h=&old=1", "POST /signin/challenge/totp/2 c=2", "POST /verify P=&Pin=my+code", "GET /end "}},
		{"phone code by choice", map[string]string{"/check": phonePage, "/signin/challenge/ipp/4": smsPage, "/verify": "done"}, "email password code",
			[]string{"POST /check Passwd=my+password&h=&old=1", "POST /signin/challenge/ipp/4 c=4", "GET /verify Pin=my+code", "GET /end "}},
		{"code at once", map[string]string{"/check": smsPage, "/verify": "done"}, "email password code",
			[]string{"POST /check Passwd=my+password&h=&old=1", "GET /verify Pin=my+code", "GET /end "}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			a := newAccounts(t)
			c.pages["/o/oauth2/programmatic_auth"], c.pages["/password"] = emailPage, passwordPage
			pages(a, c.pages)
			prompt, store := &answers{}, &memory{}
			cookies, err := hangouts.GetAuth(context.Background(), a.config(), prompt, store, false)
			require.NoError(t, err)
			require.NotEmpty(t, cookies["SAPISID"])
			require.Equal(t, c.asked, strings.Join(prompt.asked, " "))
			require.Equal(t, append([]string{login, email}, c.log...), a.log[:2+len(c.log)])
			require.Contains(t, a.log[2+len(c.log)], "code=4%2Fcode")
			require.Equal(t, "1/new", store.token)
		})
	}
}

// TestLoginBeyond: pages that ask for what no prompt can answer are reported as such, wherever they come.
func TestLoginBeyond(t *testing.T) {
	for name, c := range map[string]struct {
		pages map[string]string
		asked string
		what  string
	}{
		"captcha with the password": {map[string]string{"/password": `<form id=gaia_loginform><img id=captcha-img src="/Captcha?x"><input id=logincaptcha></form>`}, "email password", "a captcha"},
		"captcha later":             {map[string]string{"/check": `<form action="/signin/challenge/recaptcha/2"></form>`}, "email password", "a captcha"},
		"other device":              {map[string]string{"/check": `<form id=challenge action="/signin/challenge/az/2"></form>`}, "email password", "confirmation on another device"},
		"security key":              {map[string]string{"/check": `<form id=challenge action="/signin/challenge/sk/1"></form>`}, "email password", "a security key"},
		"not trusted":               {map[string]string{"/password": `<div><a href="x"><form action="/signin/rejected"></form></a></div>`}, "email password", "another browser"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccounts(t)
			all := map[string]string{"/o/oauth2/programmatic_auth": emailPage, "/password": passwordPage}
			for path, text := range c.pages {
				all[path] = text
			}
			pages(a, all)
			prompt := &answers{}
			_, err := hangouts.GetAuth(context.Background(), a.config(), prompt, &memory{}, false)
			require.ErrorIs(t, err, hangouts.ErrLoginBeyond)
			var auth *hangouts.GoogleAuthError
			require.ErrorAs(t, err, &auth)
			require.Equal(t, "the login page asks for "+c.what, strings.Split(auth.Step, ":")[0])
			require.Equal(t, c.asked, strings.Join(prompt.asked, " "))
		})
	}
	for again, page := range map[string]string{"password": passwordPage, "verification code": totpPage} {
		a := newAccounts(t)
		pages(a, map[string]string{"/o/oauth2/programmatic_auth": emailPage, "/password": passwordPage, "/check": page, "/verify": page})
		_, err := hangouts.GetAuth(context.Background(), a.config(), &answers{}, &memory{}, false)
		require.ErrorContains(t, err, "code cookie not found: the page asks for the "+again+" again")
	}
}

func TestCredentialLoginFailures(t *testing.T) {
	elsewhere := strings.Replace(passwordPage, "/check?old=1", "https://evil.example/check", 1)
	tests := []struct {
		name  string
		pages map[string]string
		asked string
		text  string
	}{
		{"no form", map[string]string{"/o/oauth2/programmatic_auth": "<html>"}, "email", "form not found"},
		{"no e-mail input", map[string]string{"/o/oauth2/programmatic_auth": `<form id=gaia_loginform></form><input id=Email>`}, "email", `"Email" not found`},
		{"wrong page for the password", map[string]string{"/password": emailPage}, "email password", `"Passwd" not found`},
		{"wrong password", map[string]string{"/check": passwordPage}, "email password", "code cookie not found"},
		{"unknown challenge", map[string]string{"/check": `<form id=challenge><input id=tap></form>`}, "email password", "unknown verification code input"},
		{"form leads elsewhere", map[string]string{"/password": elsewhere}, "email password", "may not receive"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			a := newAccounts(t)
			all := map[string]string{"/o/oauth2/programmatic_auth": emailPage, "/password": passwordPage}
			for path, text := range c.pages {
				all[path] = text
			}
			pages(a, all)
			prompt := &answers{}
			_, err := hangouts.GetAuth(context.Background(), a.config(), prompt, &memory{}, false)
			var auth *hangouts.GoogleAuthError
			require.ErrorAs(t, err, &auth)
			require.Contains(t, err.Error(), c.text)
			require.Equal(t, c.asked, strings.Join(prompt.asked, " "))
			require.NotContains(t, err.Error(), "my ")
		})
	}
	for _, code := range []int{404, 503} {
		a := newAccounts(t)
		a.login = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
		prompt := &answers{}
		_, err := hangouts.GetAuth(context.Background(), a.config(), prompt, &memory{}, false)
		require.ErrorContains(t, err, fmt.Sprint(code))
		require.Empty(t, prompt.asked, "nothing is asked before the page is there")
	}
}
