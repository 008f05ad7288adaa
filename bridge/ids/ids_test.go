package ids_test

import (
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

const anna = chat.PersonID("100000000000000000001")

// The formats stand in databases: a change of this table is a migration.
func TestFormatsAreFrozen(t *testing.T) {
	require.EqualValues(t, "100000000000000000001", ids.MakeUserID(anna))
	require.EqualValues(t, "tel-15551230000", ids.MakeUserID(chat.MakePhoneID("+15551230000")))
	require.EqualValues(t, "100000000000000000001", ids.MakeLoginID(anna))
	require.EqualValues(t, "UgxA/7-H0Z7", ids.MakeMessageID("UgxA", "7-H0Z7"))
	require.Equal(t, chat.Origin{Side: "matrix", Ref: "$abc/2"}, ids.MakeOrigin("$abc", 2))
	require.EqualValues(t, "", ids.MakePartID(0))
	require.EqualValues(t, "001", ids.MakePartID(1))
}

func TestPortalKeys(t *testing.T) {
	own := networkid.UserLoginID(anna)
	for _, c := range []struct {
		name     string
		kind     chat.ConversationKind
		split    bool
		receiver networkid.UserLoginID
	}{
		{"one to one", chat.OneToOne, false, own},
		{"group", chat.Group, false, ""},
		{"split group", chat.Group, true, own},
		{"split one to one", chat.OneToOne, true, own},
		{"unknown kind is not shared", "", false, own},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := ids.MakePortalKey("UgxA", c.kind, anna, c.split)
			require.Equal(t, networkid.PortalKey{ID: "UgxA", Receiver: c.receiver}, key)
			require.EqualValues(t, "UgxA", ids.ParsePortalID(key.ID))
		})
	}
}

func TestMessageIDsComeBack(t *testing.T) {
	seen := map[networkid.MessageID]bool{}
	for _, c := range [][2]string{{"UgxA", "7-H0"}, {"a/b", "c"}, {"a", "b/c"}, {"a%2Fb", "c"}, {"%", "%"}, {"a%25", "x"}} {
		made := ids.MakeMessageID(chat.ConversationID(c[0]), chat.EventID(c[1]))
		require.False(t, seen[made], "%v", c)
		seen[made] = true
		conversation, event, err := ids.ParseMessageID(made)
		require.NoError(t, err)
		require.EqualValues(t, c[0], conversation)
		require.EqualValues(t, c[1], event)
	}
	for _, bad := range []networkid.MessageID{"", "x", "/x", "x/"} {
		_, _, err := ids.ParseMessageID(bad)
		require.ErrorIs(t, err, chat.ErrInvalidID, "%q", bad)
	}
}

func TestPersonIDs(t *testing.T) {
	person, err := ids.ParseUserID("100000000000000000001")
	require.NoError(t, err)
	require.Equal(t, anna, person)
	for _, bad := range []networkid.UserID{"", "bot", "tel-", "12a"} {
		_, err = ids.ParseUserID(bad)
		require.ErrorIs(t, err, chat.ErrInvalidID, "%q", bad)
		_, err = ids.ParseLoginID(networkid.UserLoginID(bad))
		require.ErrorIs(t, err, chat.ErrInvalidID, "%q", bad)
	}
}

func TestOrigins(t *testing.T) {
	event, n, ok := ids.ParseOrigin(ids.MakeOrigin("$x/y", 12))
	require.True(t, ok)
	require.EqualValues(t, "$x/y", event)
	require.Equal(t, 12, n)
	for _, bad := range []chat.Origin{{}, {Side: "irc", Ref: "$a/0"}, {Side: "matrix", Ref: "$a"}, {Side: "matrix", Ref: "$a/x"}, {Side: "matrix", Ref: "/0"}, {Side: "matrix", Ref: "$a/-1"}} {
		_, _, ok = ids.ParseOrigin(bad)
		require.False(t, ok, "%v", bad)
	}
}

func TestPartsSortInOrder(t *testing.T) {
	var parts []string
	for n := range 120 {
		parts = append(parts, string(ids.MakePartID(n)))
	}
	require.True(t, sort.StringsAreSorted(parts))
}
