package bridge_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// twoLogins is a world in which alice, with Bert's account, has the room of a group, and then
// logs in with Anna's too, whose id comes first and who is in the group as well.
func twoLogins(t *testing.T) (w *world, alice *mxclient.Client, management, room id.RoomID) {
	t.Helper()
	w = newWorld(t)
	w.start()
	alice = w.user("alice")
	management = w.login(alice, bert)
	w.network.Say(carl, group, "first")
	room = w.room("first")
	alice.WaitText(room, "first")
	alice.SendText(room, "one")
	w.waitWriter("one", bert)
	alice.SendText(management, "login token "+string(anna))
	w.waitNotice(management, "Logged in as Anna Ahrens")
	w.network.Say(carl, direct, "to anna") // her side delivers
	alice.WaitText(w.room("to anna"), "to anna")
	w.network.Say(carl, group, "second")
	alice.WaitText(room, "second")
	w.eventually("both logins in the room", func() bool {
		portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), room)
		require.NoError(t, err)
		rows, err := w.main.Bridge.DB.UserPortal.GetAllForUserInPortal(t.Context(), alice.UserID(), portal.PortalKey)
		return err == nil && len(rows) == 2
	})
	return w, alice, management, room
}

// waitWriter waits until the group has a text and checks who wrote it.
func (w *world) waitWriter(text string, author chat.PersonID) {
	w.t.Helper()
	var found chat.PersonID
	w.eventually(text, func() bool {
		for _, e := range w.network.Events(group) {
			if e.Message != nil && e.Message.Text.String() == text {
				found = e.Author
			}
		}
		return found != ""
	})
	require.Equal(w.t, author, found, text)
}

// Who was there first keeps writing, after a restart too, until the user chooses another;
// that is said in the room.
func TestFirstLoginKeepsWriting(t *testing.T) {
	w, alice, management, room := twoLogins(t)
	alice.SendText(room, "two")
	w.waitWriter("two", bert)
	w.stop()
	w.start()
	alice.SendText(room, "three")
	w.waitWriter("three", bert)
	require.Empty(t, w.notices(room), "nothing has changed")

	alice.SendText(room, "!hangouts set-preferred-login "+string(anna))
	w.waitNotice(room, "goes out as Anna Ahrens")
	alice.SendText(room, "four")
	w.waitWriter("four", anna)
	alice.SendText(management, "doin "+string(room)+" prefer "+string(bert))
	w.waitNotice(room, "goes out as Bert Blum")
	w.waitNotice(management, "goes out as Bert Blum")
	alice.SendText(room, "five")
	w.waitWriter("five", bert)
}

// When the one that writes logs out or leaves the group, another writes, and the room says so.
func TestAnotherLoginWritesWhenOneGoes(t *testing.T) {
	for name, leave := range map[string]func(w *world, alice *mxclient.Client, management id.RoomID){
		"logs out": func(w *world, alice *mxclient.Client, management id.RoomID) {
			alice.SendText(management, "logout "+string(bert))
		},
		"is removed elsewhere": func(w *world, _ *mxclient.Client, _ id.RoomID) {
			require.NoError(w.t, w.manager.Remove(w.t.Context(), bert))
		},
		"leaves the group": func(w *world, _ *mxclient.Client, _ id.RoomID) {
			w.network.Post(chat.Event{Conversation: group, Author: bert, Kind: chat.KindMembership, Membership: &chat.Membership{People: []chat.PersonID{bert}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, alice, management, room := twoLogins(t)
			leave(w, alice, management)
			w.waitNotice(room, "goes out as Anna Ahrens")
			alice.SendText(room, "two")
			w.waitWriter("two", anna)
		})
	}
}

// slowLogins is a network that answers the logins of one account late.
type slowLogins struct {
	account.Backend
	of      string
	asked   chan struct{} // closed when the login has come
	answers chan struct{} // closed when it may be answered
}

func (s *slowLogins) Authenticate(ctx context.Context, credentials chat.Credentials) (account.Identity, error) {
	if credentials.RefreshToken == s.of {
		close(s.asked)
		<-s.answers
	}
	return s.Backend.Authenticate(ctx, credentials)
}

// Another login writes from the moment on at which the logout is answered, also while the end of the account's grant
// cannot be followed because the same user is just logging in elsewhere.
func TestAnotherLoginWritesWhenTheLogoutIsAnswered(t *testing.T) {
	w, alice, _, room := twoLogins(t)
	w.stop()
	slow := &slowLogins{w.network, string(carl), make(chan struct{}), make(chan struct{})}
	w.backend = slow
	w.start()
	process := w.beginLogin(alice, "token")
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.provision(alice, "POST /v3/login/step/"+process+"/"+tokenStep, `{"refresh_token":"`+string(carl)+`"}`)
	}()
	<-slow.asked
	status, answer := w.provision(alice, "POST /v3/logout/"+string(bert), "")
	notices := w.notices(room)
	close(slow.answers)
	<-done
	require.Equal(t, 200, status, answer)
	require.Len(t, notices, 1)
	require.Contains(t, notices[0], "goes out as Anna Ahrens")
	alice.SendText(room, "two")
	w.waitWriter("two", anna)
}
