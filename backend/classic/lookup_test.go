package classic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// A conversation with a telephone number that nobody knows yet: the service gives the number an id.
func TestConversationWithATelephoneNumber(t *testing.T) {
	r := newRig(t)
	found, err := r.session.FindPeople(t.Context(), chat.PeopleQuery{Phone: "+15551239999"}, 10)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, []string{"+15551239999"}, found[0].Phones)
	byNumber, err := r.session.Create(t.Context(), chat.Origin{Side: chat.OriginMatrix, Ref: "1"},
		chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{chat.MakePhoneID("+15551239999")}})
	require.NoError(t, err)
	require.True(t, byNumber.Has(found[0].ID))
	again, err := r.session.Create(t.Context(), chat.Origin{Side: chat.OriginMatrix, Ref: "2"}, chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{found[0].ID}})
	require.NoError(t, err)
	require.Equal(t, byNumber.ID, again.ID)

	nobody, err := r.session.FindPeople(t.Context(), chat.PeopleQuery{Email: "nobody@nowhere.example"}, 10)
	require.NoError(t, err)
	require.Empty(t, nobody)
	self, err := r.session.FindPeople(t.Context(), chat.PeopleQuery{Name: r.session.Self().FullName}, 10)
	require.NoError(t, err)
	require.Empty(t, self, "one does not find oneself")
}

// A conversation with a telephone number by an account that has one itself goes by SMS.
func TestSMSConversation(t *testing.T) {
	scenario := hangoutstest.DefaultScenario()
	scenario.People[0].VoiceNumber = "+15550000001"
	r := newRigWith(t, func(server *hangoutstest.Options, _ *hangouts.Config, _ *account.Options) { server.Scenario = scenario })
	c, err := r.session.Create(t.Context(), chat.Origin{Side: chat.OriginMatrix, Ref: "1"},
		chat.NewConversation{Kind: chat.OneToOne, People: []chat.PersonID{chat.MakePhoneID("+15551239999")}})
	require.NoError(t, err)
	require.Equal(t, chat.Medium{SMS: true, Number: "+15550000001"}, c.Medium)
}

func TestDoNotDisturb(t *testing.T) {
	r := newRig(t)
	client, err := hangouts.New(r.config, r.srv.Account(0).Cookies())
	require.NoError(t, err)
	t.Cleanup(client.Close)
	quiet := func() bool {
		info, err := client.GetSelfInfo(t.Context(), &pb.GetSelfInfoRequest{})
		require.NoError(t, err)
		return info.GetDndState().GetDoNotDisturb()
	}
	require.False(t, quiet())
	require.NoError(t, r.session.SetDoNotDisturb(t.Context(), 2*time.Hour))
	require.True(t, quiet())
	require.NoError(t, r.session.SetDoNotDisturb(t.Context(), 0))
	require.False(t, quiet())
}
