package portal

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// typingSession is an account that notes what it is told of typing.
type typingSession struct {
	account.Session
	standing chat.Standing
	told     []chat.Typing
}

func (s *typingSession) Conversation(_ context.Context, id chat.ConversationID) (chat.Conversation, error) {
	return chat.Conversation{ID: id, Standing: s.standing}, nil
}

func (s *typingSession) SetTyping(_ context.Context, typing chat.Typing) error {
	s.told = append(s.told, typing)
	return nil
}

// The homeserver tells only of the beginning and the end, so the account has to go on by
// itself, and it has to know whose it is.
func TestTypingLastsUntilItsEnd(t *testing.T) {
	session := &typingSession{standing: chat.Active}
	h := New(session, "1", nil, Options{})
	room := &bridgev2.Portal{Portal: &bridgedb.Portal{PortalKey: networkid.PortalKey{ID: "c", Receiver: "1"}, MXID: "!room"}}
	for _, typing := range []bool{true, false} {
		require.NoError(t, h.HandleMatrixTyping(t.Context(), &bridgev2.MatrixTyping{Portal: room, IsTyping: typing}))
	}
	require.Len(t, session.told, 2)
	for n, state := range []chat.TypingState{chat.TypingStarted, chat.TypingStopped} {
		require.NotZero(t, session.told[n].Time)
		session.told[n].Time = 0
		require.Equal(t, chat.Typing{
			Conversation: "c", Person: "1", State: state, Lasting: true, Origin: chat.Origin{Side: chat.OriginMatrix, Ref: "!room"},
		}, session.told[n])
	}
}

// Who is only invited, or has left, shows nothing of themselves.
func TestTypingOfOneWhoTakesNoPart(t *testing.T) {
	for _, standing := range []chat.Standing{chat.Invited, chat.Left} {
		session := &typingSession{standing: standing}
		room := &bridgev2.Portal{Portal: &bridgedb.Portal{PortalKey: networkid.PortalKey{ID: "c", Receiver: "1"}, MXID: "!room"}}
		require.NoError(t, New(session, "1", nil, Options{}).HandleMatrixTyping(t.Context(), &bridgev2.MatrixTyping{Portal: room, IsTyping: true}))
		require.Empty(t, session.told)
	}
}

// peopleSession is an account that knows names.
type peopleSession struct{ account.Session }

func (peopleSession) People(_ context.Context, ids ...chat.PersonID) (map[chat.PersonID]chat.Person, error) {
	known := map[chat.PersonID]chat.Person{}
	for _, id := range ids {
		known[id] = chat.Person{ID: id, FullName: "Person " + string(id)}
	}
	return known, nil
}

// It is the bot that takes people out of a room: the reason says who has removed them.
func TestRemovalsSayByWhom(t *testing.T) {
	session := peopleSession{}
	h := New(session, "1", puppet.New(session, "1", nil, nil), Options{})
	removed := func(author chat.PersonID, joined bool) bridgev2.ChatMember {
		e := chat.Event{Author: author, Membership: &chat.Membership{Joined: joined, People: []chat.PersonID{"3"}}}
		return h.memberChanges(e, nil, h.reasonOut(t.Context(), e)).MemberMap["3"]
	}
	require.Equal(t, map[string]any{"reason": "Removed by Person 2"}, removed("2", false).MemberEventExtra)
	for _, member := range []bridgev2.ChatMember{removed("3", false), removed("", false), removed("2", true)} {
		require.Empty(t, member.MemberEventExtra)
	}
}
