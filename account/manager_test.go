package account_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

func TestOneMatrixOwnerAnyNumberOfIRCUsers(t *testing.T) {
	b := newBench(t)
	b.login(anna)
	ctx := context.Background()
	token := chat.Credentials{RefreshToken: string(anna)}
	_, err := b.m.Login(ctx, token, account.User{Side: chat.OriginMatrix, ID: "@other:test"})
	require.ErrorIs(t, err, chat.ErrForbidden)
	for _, name := range []string{"anna", "annas-phone"} {
		_, err = b.m.Login(ctx, token, account.User{Side: chat.OriginIRC, ID: name})
		require.NoError(t, err)
	}
	grants, err := b.m.Grants(ctx, anna, account.User{Side: chat.OriginIRC})
	require.NoError(t, err)
	require.Len(t, grants, 2)
	require.Len(t, b.m.List(), 1, "one account, whoever logs in")
	require.ErrorIs(t, b.m.Grant(ctx, account.Grant{Account: "404", User: account.User{Side: "irc", ID: "x"}}), chat.ErrUnknownAccount)
}

// However the new connection and the end of the old one fall together, what is said after
// a login anew is heard.
func TestLoggingInAgainAndAgain(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	b.attach(b.login(anna), r, "phone")
	var said []string
	for i := range 100 {
		b.login(anna)
		said = append(said, fmt.Sprint(i))
		b.net.Say(bob, duo, said[i])
		b.expect(r, duo, said...)
	}
}

func TestWatchersHearOfGrantsAndOfOtherProcesses(t *testing.T) {
	b := newBench(t)
	b.login(anna)
	changes := make(chan account.Change, 20)
	stop := b.m.Watch(func(c account.Change) { changes <- c })
	defer stop()
	ctx := context.Background()
	user := account.User{Side: chat.OriginIRC, ID: "anna"}
	require.NoError(t, b.m.Grant(ctx, account.Grant{Account: anna, User: user, Role: account.RoleUser}))
	require.Equal(t, user, (<-changes).Granted.User)
	require.NoError(t, b.m.Revoke(ctx, anna, user))
	require.Equal(t, user, (<-changes).Revoked.User)

	// Another process logs Bob in: the running one picks him up.
	other := account.NewManager(openDB(t, b.path), b.net, b.options, zerolog.Nop())
	_, err := other.Login(ctx, chat.Credentials{RefreshToken: string(bob)}, account.User{Side: chat.OriginIRC, ID: "bob"})
	require.NoError(t, err)
	other.Stop()
	require.True(t, (<-changes).Added)
	eventually(t, func() bool { return b.net.Subscribed(bob) }, "connected here")
}

func TestRemoveErasesTheAccountsOwn(t *testing.T) {
	b := newBench(t)
	ra, rc := &reader{}, &reader{}
	b.attach(b.login(anna), ra, "a")
	b.attach(b.login(cleo), rc, "c")
	b.net.Say(bob, trio, "shared")
	b.net.Say(bob, duo, "private")
	b.expect(ra, duo, "private")
	b.expect(rc, trio, "shared")
	require.NoError(t, b.m.Remove(context.Background(), anna))
	_, ok := b.m.Get(anna)
	require.False(t, ok)
	head, err := b.db.Log().Head(context.Background(), anna, duo)
	require.NoError(t, err)
	require.Zero(t, head)
	b.net.Say(bob, trio, "on")
	b.expect(rc, trio, "shared", "on")
}

// A grant that was read, and revoked before the next refresh, is announced as revoked.
func TestAShortGrantIsRevoked(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.login(anna)
		pass(time.Second)
		var revoked []account.Grant
		defer b.m.Watch(func(c account.Change) {
			if c.Revoked != nil {
				revoked = append(revoked, *c.Revoked)
			}
		})()
		ctx, user := context.Background(), account.User{Side: chat.OriginIRC, ID: "anna"}
		require.NoError(t, b.db.Accounts().PutGrant(ctx, database.GrantRow{Account: anna, Side: user.Side, UserID: user.ID, Role: string(account.RoleUser)}))
		grants, err := b.m.Grants(ctx, "", user)
		require.NoError(t, err)
		require.Len(t, grants, 1)
		_, err = b.db.Accounts().DeleteGrant(ctx, anna, user.Side, user.ID)
		require.NoError(t, err)
		pass(5 * time.Minute)
		require.Equal(t, grants, revoked)
	})
}
