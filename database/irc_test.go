package database

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIRCTokens(t *testing.T) {
	s, ctx := open(t).IRCTokens(), context.Background()
	a := IRCToken{Hash: "aa11", User: "bob", Label: "laptop", Created: 1}
	b := IRCToken{Hash: "bb22", User: "bob", Created: 2}
	c := IRCToken{Hash: "aa33", User: "eve", Created: 3}
	for _, token := range []IRCToken{b, a, c} {
		require.NoError(t, s.Put(ctx, token))
	}
	require.Error(t, s.Put(ctx, a), "a hash is unique")
	require.NoError(t, s.Used(ctx, "aa11", 9))
	a.Used = 9
	got, err := s.Get(ctx, "aa11")
	require.NoError(t, err)
	require.Equal(t, a, got)
	list, err := s.List(ctx, "bob")
	require.NoError(t, err)
	require.Equal(t, []IRCToken{a, b}, list)
	list, err = s.List(ctx, "")
	require.NoError(t, err)
	require.Len(t, list, 3)
	n, err := s.Delete(ctx, "bob", "aa")
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "only bob's")
	n, err = s.Delete(ctx, "bob", "")
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	_, err = s.Get(ctx, "bb22")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = s.Get(ctx, "aa33")
	require.NoError(t, err)
}

func TestIRCNamesAreUniqueInAnAccount(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	addAccount(t, db, "2")
	s := db.IRCNames()
	alex := IRCNick{Person: "7", Nick: "Alex", Key: "alex", Base: "Alex"}
	require.NoError(t, s.PutNick(ctx, anna, alex))
	require.NoError(t, s.PutNick(ctx, "2", alex), "another account")
	require.Error(t, s.PutNick(ctx, anna, IRCNick{Person: "8", Nick: "ALEX", Key: "alex"}))
	alex.Nick, alex.Key, alex.Changed = "Sasha", "sasha", 5
	require.NoError(t, s.PutNick(ctx, anna, alex))
	nicks, err := s.Nicks(ctx, anna)
	require.NoError(t, err)
	require.Equal(t, []IRCNick{alex}, nicks)

	require.NoError(t, s.PutAlias(ctx, anna, IRCAlias{Key: "alex", Nick: "Alex", Person: "7", Until: 100}, 1))
	require.NoError(t, s.PutAlias(ctx, anna, IRCAlias{Key: "lex", Nick: "Lex", Person: "7", Until: 300}, 1))
	aliases, err := s.Aliases(ctx, anna, 100)
	require.NoError(t, err)
	require.Equal(t, []IRCAlias{{Key: "lex", Nick: "Lex", Person: "7", Until: 300}}, aliases)

	fam := IRCTarget{Conversation: "c1", Channel: "#fam", Key: "#fam"}
	require.NoError(t, s.PutTarget(ctx, anna, fam))
	require.Error(t, s.PutTarget(ctx, anna, IRCTarget{Conversation: "c2", Channel: "#FAM", Key: "#fam"}))
	require.NoError(t, s.PutTarget(ctx, anna, IRCTarget{Conversation: "c3", Person: "7"}))
	require.Error(t, s.PutTarget(ctx, anna, IRCTarget{Conversation: "c4", Person: "7"}), "one query for a person")
	fam.Hidden = true
	require.NoError(t, s.PutTarget(ctx, anna, fam))
	targets, err := s.Targets(ctx, anna)
	require.NoError(t, err)
	require.ElementsMatch(t, []IRCTarget{fam, {Conversation: "c3", Person: "7"}}, targets)
}

func TestIRCRowsGoWithTheirAccount(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	require.NoError(t, db.IRCNames().PutNick(ctx, anna, IRCNick{Person: "7", Nick: "Alex", Key: "alex"}))
	_, err := db.Exec(ctx, `DELETE FROM account WHERE id=$1`, anna)
	require.NoError(t, err)
	nicks, err := db.IRCNames().Nicks(ctx, anna)
	require.NoError(t, err)
	require.Empty(t, nicks)
}
