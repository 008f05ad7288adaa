package irc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// tokenBytes is the length of a generated password: 160 random bits need no slow hash.
const tokenBytes = 20

// Password describes an issued password without telling it.
type Password struct {
	ID      string // for RevokePassword
	User    string
	Label   string
	Created time.Time
	Used    time.Time // zero = never
}

// passwordIDLen is how much of the hash names a password.
const passwordIDLen = 12

// IssuePassword makes a new password for an IRC user and returns it. Only its hash is
// stored: it cannot be shown again. ErrBadUser for a name that cannot be one.
func IssuePassword(ctx context.Context, store *database.IRCTokenStore, user string) (token string, err error) {
	return IssueNamedPassword(ctx, store, user, "")
}

// IssueNamedPassword is IssuePassword with a label that tells passwords apart, such as
// the client that it is for.
func IssueNamedPassword(ctx context.Context, store *database.IRCTokenStore, user, label string) (token string, err error) {
	user, err = ParseUser(user)
	if err != nil {
		return "", err
	}
	raw := make([]byte, tokenBytes)
	if _, err = rand.Read(raw); err != nil {
		return "", fmt.Errorf("make password: %w", err)
	}
	token = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
	err = store.Put(ctx, database.IRCToken{Hash: hashToken(token), User: user, Label: label, Created: time.Now().UnixMicro()})
	if err != nil {
		return "", fmt.Errorf("store password: %w", err)
	}
	return token, nil
}

// RevokePassword makes passwords of a user invalid: the one with an id, or all of them
// if id is "". It returns how many there were. A running gateway ends their sessions
// within seconds.
func RevokePassword(ctx context.Context, store *database.IRCTokenStore, user, id string) (int, error) {
	user, err := ParseUser(user)
	if err != nil {
		return 0, err
	}
	n, err := store.Delete(ctx, user, strings.ToLower(id))
	if err != nil {
		return 0, fmt.Errorf("revoke password: %w", err)
	}
	return int(n), nil
}

// ListPasswords returns the passwords of a user, or of everybody if user is "".
func ListPasswords(ctx context.Context, store *database.IRCTokenStore, user string) ([]Password, error) {
	if user != "" {
		var err error
		if user, err = ParseUser(user); err != nil {
			return nil, err
		}
	}
	tokens, err := store.List(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("list passwords: %w", err)
	}
	out := make([]Password, len(tokens))
	for i, t := range tokens {
		out[i] = Password{ID: t.Hash[:passwordIDLen], User: t.User, Label: t.Label, Created: time.UnixMicro(t.Created)}
		if t.Used != 0 {
			out[i].Used = time.UnixMicro(t.Used)
		}
	}
	return out, nil
}

// ParseUser checks the name of an IRC user and returns it in lower case.
func ParseUser(name string) (string, error) {
	if !validName(name) {
		return "", ErrBadUser
	}
	return strings.ToLower(name), nil
}

// validName is the rule for names of users and of clients.
func validName(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return false
		}
	}
	return true
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// checkToken finds whose a password is. user, if not "", must be that one.
func checkToken(ctx context.Context, store *database.IRCTokenStore, user, token string) (database.IRCToken, error) {
	row, err := store.Get(ctx, hashToken(token))
	if errors.Is(err, database.ErrNotFound) || err == nil && user != "" && !strings.EqualFold(user, row.User) {
		return database.IRCToken{}, errPassword
	}
	if err != nil {
		return database.IRCToken{}, fmt.Errorf("look up password: %w", err)
	}
	return row, nil
}
