package classic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
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
