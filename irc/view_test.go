package irc

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/irc/names"
)

type nobody struct{ account.Session }

func (nobody) ID() chat.PersonID { return "1" }

// TestShows: what shows says needs no look is what compare would do nothing about.
func TestShows(t *testing.T) {
	ctx := context.Background()
	db, err := database.Open("test", "sqlite3-fk-wal", "file:"+filepath.Join(t.TempDir(), "x.db")+"?_txlock=immediate", zerolog.Nop())
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.Upgrade(ctx))
	require.NoError(t, db.Accounts().PutLogin(ctx, chat.Person{ID: "1"}, []byte("x"), 1))
	registry, err := names.Load(ctx, db.IRCNames(), chat.Person{ID: "1"}, time.Now)
	require.NoError(t, err)
	group := chat.Conversation{ID: "group", Kind: chat.Group, Name: "Trio", Standing: chat.Active,
		Members: []chat.Member{{ID: "1"}, {ID: "2"}, {ID: "3"}}}
	query := chat.Conversation{ID: "query", Kind: chat.OneToOne, Standing: chat.Active, Members: []chat.Member{{ID: "1"}, {ID: "2"}}}
	require.NoError(t, registry.Ensure(ctx, chat.Person{ID: "2", FullName: "Bob"}, chat.Person{ID: "3", FullName: "Cleo"}))
	require.NoError(t, registry.EnsureTargets(ctx, []chat.Conversation{group, query}, nil))
	target, _ := registry.Target("group")

	type change func(c *chat.Conversation)
	members := func(ids ...chat.PersonID) change {
		return func(c *chat.Conversation) {
			c.Members = nil
			for _, id := range ids {
				c.Members = append(c.Members, chat.Member{ID: id})
			}
		}
	}
	standing := func(st chat.Standing) change { return func(c *chat.Conversation) { c.Standing = st } }
	archived := func(c *chat.Conversation) { c.Archived = true }
	for _, tt := range []struct {
		name   string
		c      chat.Conversation
		joined bool
		asked  bool
		change change
		want   bool
	}{
		{"something was said", group, true, false, func(c *chat.Conversation) { c.SortTime, c.ReadTime = 5, 5 }, true},
		{"without the client among the members", group, true, false, members("3", "2"), true},
		{"somebody came", group, true, false, members("1", "2", "3", "4"), false},
		{"somebody left", group, true, false, members("1", "2"), false},
		{"one came and another left", group, true, false, members("1", "2", "4"), false},
		{"renamed", group, true, false, func(c *chat.Conversation) { c.Name = "Quartet" }, false},
		{"left", group, true, false, standing(chat.Left), false},
		{"archived", group, true, false, archived, false},
		{"archived and asked for", group, true, true, archived, true},
		{"not joined and active", group, false, false, nil, false},
		{"not joined and archived", group, false, false, archived, true},
		{"not joined and left", group, false, false, standing(chat.Left), true},
		{"invited", group, false, false, standing(chat.Invited), false},
		{"a query", query, false, false, nil, true},
		{"a query that became a group", query, false, false, func(c *chat.Conversation) { c.Kind = chat.Group }, false},
		{"never seen", chat.Conversation{ID: "new", Kind: chat.Group}, false, false, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &session{hub: &hub{account: nobody{}, names: registry}, views: map[chat.ConversationID]*view{}}
			if tt.joined {
				s.views[tt.c.ID] = &view{channel: target.Channel, topic: topicOf(tt.c), asked: tt.asked,
					members: map[chat.PersonID]bool{"1": true, "2": true, "3": true}}
			}
			c := tt.c
			if tt.change != nil {
				tt.change(&c)
			}
			require.Equal(t, tt.want, s.shows(c))
		})
	}
}
