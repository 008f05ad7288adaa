package names

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

const self = chat.PersonID("100")

func openStore(t *testing.T) *database.IRCNameStore {
	t.Helper()
	uri := fmt.Sprintf("file:%s?_txlock=immediate", filepath.Join(t.TempDir(), "test.db"))
	db, err := database.Open("test", "sqlite3-fk-wal", uri, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.Upgrade(context.Background()))
	require.NoError(t, db.Accounts().PutLogin(context.Background(), chat.Person{ID: self}, []byte("x"), 1))
	return db.IRCNames()
}

type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func load(t *testing.T, s Store, c *clock) *Registry {
	t.Helper()
	r, err := Load(context.Background(), s, chat.Person{ID: self, FullName: "Bob Own"}, c.now)
	require.NoError(t, err)
	return r
}

func person(id, name string) chat.Person {
	return chat.Person{ID: chat.PersonID(id), FullName: name}
}

func nick(t *testing.T, r *Registry, id string) string {
	t.Helper()
	n, ok := r.Nick(chat.PersonID(id))
	require.True(t, ok)
	return n
}

func TestNickBase(t *testing.T) {
	tests := []struct {
		name string
		in   chat.Person
		want string
	}{
		{"vector", person("1", "Anna-Lena O'Neil 🐳"), "Anna-Lena_ONeil"},
		{"Han", person("1", "李小龍"), "李小龍"},
		{"digit", person("1", "7of9"), "_7of9"},
		{"umlaut", person("1", "Jörg Müller"), "Jorg_Muller"},
		{"sharp s", person("1", "Strauß"), "Strauss"},
		{"Cyrillic", person("1", "Юлия Щукина"), "Yuliya_Shchukina"},
		{"Greek", person("1", "Γιώργος"), "Giorgos"},
		{"injection", person("1", "Eve\r\nQUIT"), "Eve_QUIT"},
		{"separators", person("1", "a!b@c"), "ab"},
		{"masks", person("1", "x!y*z?,:#%&"), "xyz"},
		{"bidi", person("1", "A\u202elix\u202c\u200b"), "Alix"},
		{"emoji only", person("1", "🐳🐳"), "user"},
		{"dots and blanks", person("1", "  J. R.  R. Tolkien "), "J_R_R_Tolkien"},
		{"full width", person("1", "Ｂｏｂ"), "Bob"},
		{"e-mail", chat.Person{ID: "1", Emails: []string{"carol.k@example.org"}}, "carol_k"},
		{"unknown name", chat.Person{ID: "1", FullName: "Unknown", Emails: []string{"dave@x.org"}}, "dave"},
		{"nothing", chat.Person{ID: "12345"}, "user"},
		{"phone", chat.Person{ID: chat.MakePhoneID("+15551230000")}, "_15551230000"},
		{"mark first", person("1", "\u0301abc"), "abc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, NickBase(tt.in)) })
	}
}

func TestChannelBase(t *testing.T) {
	tests := map[string]string{
		"Family, & Friends: 2024":   "#Family_Friends_2024",
		"a\nPRIVMSG x :y":           "#a_PRIVMSG_x_y",
		"##hash":                    "#hash",
		"Ünïcödé":                   "#Unicode",
		"家族":                        "#家族",
		"🎉":                         "#",
		"2024":                      "#2024",
		strings.Repeat("long ", 50): "#" + strings.TrimSuffix(strings.Repeat("long_", 11), "_"),
	}
	for in, want := range tests {
		require.Equal(t, want, ChannelBase(in), in)
	}
}

func TestKeyMakesLookalikesEqual(t *testing.T) {
	for _, pair := range [][2]string{{"BOB", "bob"}, {"Bоb", "bob"}, {"J\u00f6rg", "jorg"}, {"b0b", "bob"}, {"a[b]", "a{b}"}, {"ſam", "sam"}} {
		require.Equal(t, Key(pair[0]), Key(pair[1]), pair)
	}
	require.NotEqual(t, Key("anna"), Key("hanna"))
	require.NotEqual(t, Key("ian"), Key("lan"))
}

func TestNicksAreUniqueAndStable(t *testing.T) {
	s, c, ctx := openStore(t), &clock{time.Unix(1e9, 0)}, context.Background()
	r := load(t, s, c)
	require.True(t, r.Reserve("carl"))
	require.NoError(t, r.Ensure(ctx, person("1", "Alex"), person("2", "Alex"), person("3", "ALEX"), person("4", "NickServ"),
		person("5", "Bob Own"), person("6", "Carl"), person("7", ""), person(string(self), "Bob Own")))
	require.Equal(t, "Alex", nick(t, r, "1"))
	for _, id := range []string{"2", "3", "4", "5", "6", "7"} {
		base := map[string]string{"2": "Alex", "3": "ALEX", "4": "NickServ", "5": "Bob_Own", "6": "Carl", "7": "user"}[id]
		require.Equal(t, base+"_"+suffix(id, 3), nick(t, r, id))
	}
	_, ok := r.Nick(self)
	require.False(t, ok, "the account itself has the session's nick")
	require.False(t, r.Reserve("aLEX"), "a contact has it")

	again := load(t, s, c)
	require.NoError(t, again.Ensure(ctx, person("2", "Other Name Now")))
	require.Equal(t, nick(t, r, "2"), nick(t, again, "2"), "stored for good")

	lost := load(t, openStore(t), c)
	require.NoError(t, lost.Ensure(ctx, person("1", "Alex"), person("2", "Alex")))
	require.Equal(t, nick(t, r, "2"), nick(t, lost, "2"), "the same after a loss of the database")
}

func TestNickLongerThanTheLimit(t *testing.T) {
	r := load(t, openStore(t), &clock{time.Unix(1e9, 0)})
	long := strings.Repeat("Möwe", 20)
	require.NoError(t, r.Ensure(context.Background(), person("1", long), person("2", long), person("3", strings.Repeat("家", 40))))
	for _, id := range []string{"1", "2", "3"} {
		require.LessOrEqual(t, len(nick(t, r, id)), NickLen)
		require.True(t, utf8.ValidString(nick(t, r, id)))
	}
}

func TestRename(t *testing.T) {
	s, c, ctx := openStore(t), &clock{time.Unix(1e9, 0)}, context.Background()
	r := load(t, s, c)
	require.NoError(t, r.Ensure(ctx, person("1", "Alex"), person("2", "Maria"), person("3", "")))

	_, _, changed, err := r.Rename(ctx, person("1", "ALEX"))
	require.NoError(t, err)
	require.False(t, changed, "only case")
	_, _, changed, err = r.Rename(ctx, person("1", "Maria"))
	require.NoError(t, err)
	require.False(t, changed, "taken")
	_, _, changed, err = r.Rename(ctx, person("1", ""))
	require.NoError(t, err)
	require.False(t, changed, "a worse name")

	old, now, changed, err := r.Rename(ctx, person("1", "Sasha"))
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, []string{"Alex", "Sasha"}, []string{old, now})
	id, ok := r.Person("alex")
	require.True(t, ok, "the old nick is understood")
	require.EqualValues(t, "1", id)

	_, _, changed, err = r.Rename(ctx, person("1", "Alex"))
	require.NoError(t, err)
	require.False(t, changed, "no storm of nick changes")
	c.Time = c.Add(renameEvery)
	_, now, changed, err = r.Rename(ctx, person("1", "Alex"))
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, "Alex", now, "its own alias is free for it")

	require.NoError(t, r.Ensure(ctx, person("4", "Sasha")))
	require.Equal(t, "Sasha_"+suffix("4", 3), nick(t, r, "4"), "an alias is not free for others")

	_, now, changed, err = r.Rename(ctx, person("3", "Maria"))
	require.NoError(t, err)
	require.True(t, changed, "a person without a name gets one, with a suffix if need be")
	require.Equal(t, "Maria_"+suffix("3", 3), now)

	again := load(t, s, c)
	require.Equal(t, "Alex", nick(t, again, "1"))
	id, ok = again.Person("SASHA")
	require.True(t, ok)
	require.EqualValues(t, "1", id)
	c.Time = c.Add(aliasFor)
	_, ok = again.Person("sasha")
	require.False(t, ok, "after 30 days")
}

func group(id, name string, members ...chat.PersonID) chat.Conversation {
	c := chat.Conversation{ID: chat.ConversationID(id), Kind: chat.Group, Name: name, Members: []chat.Member{{ID: self}}}
	for _, m := range members {
		c.Members = append(c.Members, chat.Member{ID: m})
	}
	return c
}

func oneToOne(id string, peer chat.PersonID) chat.Conversation {
	c := group(id, "", peer)
	c.Kind = chat.OneToOne
	return c
}

func TestTargets(t *testing.T) {
	s, c, ctx := openStore(t), &clock{time.Unix(1e9, 0)}, context.Background()
	r := load(t, s, c)
	people := map[chat.PersonID]chat.Person{
		"1": {ID: "1", FullName: "Anna Alba", FirstName: "Anna"}, "2": {ID: "2", FullName: "Ben Beck", FirstName: "Ben"},
		"3": {ID: "3", FullName: "Cleo Carr", FirstName: "Cleo"}, "4": {ID: "4", FullName: "Dan Dorn", FirstName: "Dan"}}
	for _, p := range people {
		require.NoError(t, r.Ensure(ctx, p))
	}
	sms := oneToOne("a-sms", "1")
	sms.Medium.SMS = true
	self1 := group("z", "")
	self1.Kind = chat.OneToOne
	all := []chat.Conversation{sms, oneToOne("b", "1"), oneToOne("c", "1"), group("g1", "Family"), group("g2", "family"),
		group("g3", "", "1", "2", "3", "4"), group("g4", "🎉"), self1}
	require.NoError(t, r.EnsureTargets(ctx, all, people))
	want := map[string]string{"a-sms": "#Anna_Alba-sms", "b": "", "c": "#Anna_Alba-2", "g1": "#Family", "g2": "#family-" + suffix("g2", 3),
		"g3": "#Anna-Ben-Cleo_" + suffix("g3", 3), "g4": "#group_" + suffix("g4", 3), "z": "#notes"}
	check := func(r *Registry) {
		for id, name := range want {
			target, ok := r.Target(chat.ConversationID(id))
			require.True(t, ok, id)
			require.Equal(t, name, target.Channel, id)
			if name != "" {
				found, ok := r.Channel(strings.ToUpper(name))
				require.True(t, ok || name != Fold(name), name)
				if ok {
					require.EqualValues(t, id, found)
				}
			}
		}
		q, ok := r.Query("1")
		require.True(t, ok)
		require.EqualValues(t, "b", q)
	}
	check(r)
	require.NoError(t, r.EnsureTargets(ctx, []chat.Conversation{group("g1", "Renamed")}, people))
	changed, err := r.SetHidden(ctx, "g1", true)
	require.NoError(t, err)
	require.True(t, changed)
	again := load(t, s, c)
	check(again)
	target, _ := again.Target("g1")
	require.True(t, target.Hidden)
}

// The main file of a database has what was synced.
func TestPlacesOutliveAPowerFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open := func(path string) *database.DB {
		db, err := database.Open("test", "sqlite3-fk-wal", "file:"+path+"?_txlock=immediate", zerolog.Nop())
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db, ctx := open(path), context.Background()
	require.NoError(t, db.Upgrade(ctx))
	require.NoError(t, db.Accounts().PutLogin(ctx, chat.Person{ID: self}, []byte("x"), 1))
	require.NoError(t, db.Sync(ctx))
	c := &clock{time.Unix(1e9, 0)}
	require.NoError(t, load(t, db.IRCNames(), c).EnsureTargets(ctx, []chat.Conversation{group("g1", "Family")}, nil))

	disk, err := os.ReadFile(path)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "disk.db")
	require.NoError(t, os.WriteFile(path, disk, 0o600))
	r := load(t, open(path).IRCNames(), c)
	require.NoError(t, r.EnsureTargets(ctx, []chat.Conversation{group("g1", "Renamed")}, nil))
	target, _ := r.Target("g1")
	require.Equal(t, "#Family", target.Channel)
}

func TestQueryThatBecomesAGroup(t *testing.T) {
	r, ctx := load(t, openStore(t), &clock{time.Unix(1e9, 0)}), context.Background()
	require.NoError(t, r.Ensure(ctx, person("1", "Anna")))
	require.NoError(t, r.EnsureTargets(ctx, []chat.Conversation{oneToOne("c", "1")}, nil))
	require.NoError(t, r.EnsureTargets(ctx, []chat.Conversation{group("c", "Now a group", "1", "2")}, nil))
	target, _ := r.Target("c")
	require.Equal(t, "#Now_a_group", target.Channel)
	_, ok := r.Query("1")
	require.False(t, ok)
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"Anna", "Eve\r\nQUIT", "a b,c:d!e@f*g?", "\u202e\u0301", "-x", "7", "🐳", "é.é", "Ⅷ", "ﷺ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		nick, channel := NickBase(person("1", s)), ChannelBase(s)
		for name, limit := range map[string]int{nick: NickLen - suffixRoom, channel: ChannelLen} {
			if name == "" || len(name) > limit || !utf8.ValidString(name) || strings.ContainsAny(name, " ,:*?!@.$%&+~/\x00\x07\r\n\u200b\u202e") {
				t.Fatalf("%q gives %q", s, name)
			}
		}
		if strings.ContainsAny(nick[:1], "#0123456789-") || strings.Contains(channel[1:], "#") || channel[0] != '#' {
			t.Fatalf("%q gives %q and %q", s, nick, channel)
		}
	})
}
