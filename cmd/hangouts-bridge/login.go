package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

const loginUsage = `hangouts-bridge login [-c FILE] (-cookies FILE | -refresh-token FILE) (-irc-user NAME | -matrix-user @NAME:SERVER)

Logs an account in and lets a user of IRC or Matrix use it. A file with cookies holds
a JSON object of names and values; a file with a refresh token holds just that. "-" is
standard input. A running bridge takes the account up within seconds.`

// loginTimeout bounds the conversation with the account service.
const loginTimeout = 2 * time.Minute

func runLogin(ctx context.Context, args []string) int {
	set, path := flags("login", loginUsage)
	cookies := set.String("cookies", "", "`file` with cookies")
	token := set.String("refresh-token", "", "`file` with a refresh token")
	ircUser := set.String("irc-user", "", "IRC user `name` who may use the account")
	matrixUser := set.String("matrix-user", "", "Matrix user `id` who owns the account")
	if code, done := parse(set, args); done {
		return code
	}
	if set.NArg() > 0 || (*cookies == "") == (*token == "") || (*ircUser == "") == (*matrixUser == "") {
		set.Usage()
		return exitUsage
	}
	user, err := parseUser(*ircUser, *matrixUser)
	if err != nil {
		return complain(err)
	}
	credentials, err := readCredentials(*cookies, *token)
	if err != nil {
		return complain(err)
	}
	var s settings
	db, err := open(ctx, *path, &s)
	if err != nil {
		return complain(err)
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	manager := account.NewManager(db, classic.New(s.hangouts.Hangouts()), s.accounts.Options(), quietLog())
	self, err := manager.Enroll(ctx, credentials, user)
	if err != nil {
		return complain(explain(err))
	}
	if err = db.Sync(ctx); err != nil {
		return complain(err)
	}
	fmt.Printf("Logged in as %s (%s) for %s.\n", self.DisplayName(), self.ID, user.ID)
	if user.Side == chat.OriginIRC {
		fmt.Printf("An IRC password: hangouts-bridge irc-password -c %s %s\n", *path, user.ID)
	}
	return exitOK
}

func parseUser(ircUser, matrixUser string) (account.User, error) {
	if ircUser != "" {
		name, err := irc.ParseUser(ircUser)
		return account.User{Side: chat.OriginIRC, ID: name}, err
	}
	if !strings.HasPrefix(matrixUser, "@") || !strings.Contains(matrixUser, ":") {
		return account.User{}, fmt.Errorf("%q is not a Matrix user id (@name:server)", matrixUser)
	}
	return account.User{Side: chat.OriginMatrix, ID: matrixUser}, nil
}

// readCredentials reads the one file that is named.
func readCredentials(cookies, token string) (credentials chat.Credentials, err error) {
	path := cookies + token
	if path == "-" {
		path = "/dev/stdin"
	}
	text, err := os.ReadFile(path)
	if err != nil {
		var file *os.PathError
		if errors.As(err, &file) { // the path may be the secret itself, given by mistake
			err = file.Err
		}
		return credentials, fmt.Errorf("read the file with credentials: %w", err)
	}
	if token != "" {
		credentials.RefreshToken = strings.TrimSpace(string(text))
		if credentials.RefreshToken == "" || strings.ContainsAny(credentials.RefreshToken, " \t\r\n") {
			return credentials, errors.New("the file does not hold a refresh token, and nothing else, on one line")
		}
		return credentials, nil
	}
	// The error of the decoder may quote what it read.
	if json.Unmarshal(text, &credentials.Cookies) != nil || len(credentials.Cookies) == 0 {
		return credentials, errors.New(`the file does not hold a JSON object of cookies like {"SAPISID": "…", "SID": "…"}`)
	}
	return credentials, nil
}

// explain adds what to do to an error of a login.
func explain(err error) error {
	switch {
	case errors.Is(err, chat.ErrBadCredentials):
		return fmt.Errorf("the service does not accept these credentials; get new ones and try again (%w)", err)
	case errors.Is(err, chat.ErrUnavailable):
		return fmt.Errorf("the service cannot be reached; check network.hangouts in the config (%w)", err)
	}
	return err
}
