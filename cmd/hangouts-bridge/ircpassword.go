package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

const ircPasswordUsage = `hangouts-bridge irc-password [-c FILE] [-list | -revoke ID | -revoke-all] USER

Issues a password for an IRC user, or lists or revokes them. A password is shown once.
Who may use which account is decided by "hangouts-bridge login".`

func runIRCPassword(ctx context.Context, args []string) int {
	set, path := flags("irc-password", ircPasswordUsage)
	list := set.Bool("list", false, "list passwords, of USER or of everybody")
	revoke := set.String("revoke", "", "revoke the password with this `id`")
	revokeAll := set.Bool("revoke-all", false, "revoke all passwords of USER")
	label := set.String("label", "", "what the password is for, such as the client's `name`")
	if code, done := parse(set, args); done {
		return code
	}
	user := set.Arg(0)
	if set.NArg() > 1 || (user == "" && !*list) {
		set.Usage()
		return exitUsage
	}
	var s settings
	db, err := open(ctx, *path, &s)
	if err != nil {
		return complain(err)
	}
	defer func() { _ = db.Close() }()
	store := db.IRCTokens()
	switch {
	case *list:
		err = listPasswords(ctx, store, user)
	case *revoke != "" || *revokeAll:
		err = revokePasswords(ctx, store, user, *revoke)
	default:
		var token string
		if token, err = irc.IssueNamedPassword(ctx, store, user, *label); err == nil {
			fmt.Println(token)
		}
	}
	if err == nil && !*list {
		err = db.Sync(ctx)
	}
	if err != nil {
		return complain(err)
	}
	return exitOK
}

func listPasswords(ctx context.Context, store *database.IRCTokenStore, user string) error {
	passwords, err := irc.ListPasswords(ctx, store, user)
	for _, p := range passwords {
		used := "never used"
		if !p.Used.IsZero() {
			used = "used " + p.Used.Format("2006-01-02 15:04")
		}
		fmt.Printf("%s  %s  made %s, %s  %s\n", p.ID, p.User, p.Created.Format("2006-01-02 15:04"), used, p.Label)
	}
	return err
}

func revokePasswords(ctx context.Context, store *database.IRCTokenStore, user, id string) error {
	n, err := irc.RevokePassword(ctx, store, user, id)
	if err == nil && n == 0 {
		return errors.New("there is no such password")
	}
	return err
}
