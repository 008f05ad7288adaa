package synapse_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
)

// One Synapse for the whole dialogue: two people, an application service with a double puppet, a kill.
func TestSynapse(t *testing.T) {
	var mu sync.Mutex
	var pushed []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		pushed = append(pushed, r.Method+" "+r.Header.Get("Authorization"))
		_, _ = w.Write([]byte("{}"))
	}))
	defer service.Close()
	reg := &appservice.Registration{ID: "hangouts", URL: service.URL, AppToken: "as", ServerToken: "hs", SenderLocalpart: "bridge",
		Namespaces: appservice.Namespaces{UserIDs: appservice.NamespaceList{{Regex: `@hangouts_.*:test\.localhost`, Exclusive: true}}}}
	file := filepath.Join(t.TempDir(), "registration.yaml")
	require.NoError(t, reg.Save(file))
	double, doubleToken := synapse.DoublePuppet(t, "test.localhost")
	hs := synapse.Start(t, synapse.Options{Registrations: []string{file, double}})

	alice, bob := mxclient.New(t, hs, "alice"), mxclient.New(t, hs, "bob")
	bob.AutoJoin()
	room := alice.CreateDM(bob.UserID())
	alice.SetName(room, "Lunch")
	require.Equal(t, room, bob.WaitRoom("Lunch"))
	alice.SendText(room, "hello")
	said := bob.WaitText(room, "hello")
	bob.MarkRead(room, said.ID)
	alice.WaitFor("the receipt", func() bool { return alice.Receipt(room, bob.UserID()) == said.ID })
	bob.SetTyping(room, time.Minute)
	alice.WaitFor("typing", func() bool { return slices.Contains(alice.Typing(room), bob.UserID()) })

	puppet, err := mautrix.NewClient(hs.URL(), alice.UserID(), doubleToken)
	require.NoError(t, err)
	puppet.SetAppServiceUserID = true
	_, err = puppet.SendMessageEvent(t.Context(), room, event.EventMessage,
		&event.MessageEventContent{MsgType: event.MsgText, Body: "from elsewhere"}, mautrix.ReqSendEvent{Timestamp: 1500000000000})
	require.NoError(t, err)
	elsewhere := bob.WaitText(room, "from elsewhere")
	require.Equal(t, alice.UserID(), elsewhere.Sender)
	require.EqualValues(t, 1500000000000, elsewhere.Timestamp)

	ghost := id.NewUserID("hangouts_1", hs.ServerName())
	ghosts, err := mautrix.NewClient(hs.URL(), ghost, "as")
	require.NoError(t, err)
	_, err = ghosts.MakeRequest(t.Context(), "POST", ghosts.BuildClientURL("v3", "register"),
		map[string]any{"type": "m.login.application_service", "username": "hangouts_1", "inhibit_login": true}, nil)
	require.NoError(t, err)
	alice.Invite(room, ghost)
	alice.WaitFor("a transaction", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(pushed, "PUT Bearer hs")
	})

	// A message sent while Synapse is dead is repeated until it lives again.
	hs.Kill9()
	sent := make(chan error, 1)
	go func() {
		_, err := alice.SendTextRetry(t.Context(), room, "over the kill", "kill-1")
		sent <- err
	}()
	hs.StartAgain()
	require.NoError(t, <-sent)
	bob.WaitText(room, "over the kill")
	require.Equal(t, []string{"alice: hello", "alice: from elsewhere", "alice: over the kill"}, bob.Texts(room))
	require.Equal(t, bob.Texts(room), mxclient.Texts(bob.History(room)), "the sync loop missed nothing")
}

// The other ways to configure it give a server that starts.
func TestSynapseWithoutServices(t *testing.T) {
	hs := synapse.Start(t, synapse.Options{ServerName: "other.example", NoPresence: true, Encryption: true})
	alice := mxclient.New(t, hs, "alice")
	require.Equal(t, id.UserID("@alice:other.example"), alice.UserID())
	hs.Restart()
	alice.CreateRoom(nil)
}
