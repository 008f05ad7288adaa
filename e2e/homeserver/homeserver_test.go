// Package homeserver has the end-to-end tests of the bridge's program with a real Synapse
// that dies while it owes the bridge events.
package homeserver

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/synapse"
)

const patience = 3 * time.Minute

// world is the bridge between a Hangouts-compatible server and Synapse, which reaches the
// bridge over a link that can be held up.
type world struct {
	*stage.Stage
	hangouts *hangoutstest.Server
	synapse  *synapse.Server
	link     *stage.Link
	room     id.RoomID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, func(*stage.Stage) {})
}

// newWorldWith is newWorld with a bridge whose config a test changes.
func newWorldWith(t *testing.T, change func(*stage.Stage)) *world {
	t.Helper()
	return loggedIn(newStage(t, change, synapse.Options{}))
}

// loggedIn is a world in which alice is in the group's room.
func loggedIn(w *world) *world {
	w.T.Helper()
	w.Login(w.synapse, w.account("alice"))
	w.room = w.Alice.WaitRoom("Trio")
	w.Alice.WaitText(w.room, "welcome")
	return w
}

// newStage is newWorldWith before anybody has logged in.
func newStage(t *testing.T, change func(*stage.Stage), options synapse.Options) *world {
	t.Helper()
	return newStageOf(t, stage.Scenario(), change, options)
}

// newStageOf is newStage with other people and conversations.
func newStageOf(t *testing.T, scenario *hangoutstest.Scenario, change func(*stage.Stage), options synapse.Options) *world {
	t.Helper()
	w := &world{}
	var err error
	w.hangouts, err = hangoutstest.Start(hangoutstest.Options{Scenario: scenario, Configure: func(s *hangoutstest.Settings) { s.Dedup = false }})
	require.NoError(t, err)
	t.Cleanup(w.hangouts.Close)
	w.Stage = stage.New(t, t.TempDir(), w.hangouts.URL)
	w.link = stage.NewLink(t, w.ASAddr)
	hsAddr := stage.FreeAddr(t)
	_, port, _ := strings.Cut(hsAddr, ":")
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	change(w.Stage)
	registrations := w.Registrations("http://"+hsAddr, w.link.URL())
	options.ServerName, options.Port, options.Registrations, options.NoPresence = stage.Domain, number, registrations, true
	w.synapse = synapse.Start(t, options)
	w.Run()
	return w
}

// account is the account of somebody on Hangouts.
func (w *world) account(name string) stage.Account {
	person := w.hangouts.Person(name)
	return stage.Account{GaiaID: person.GaiaID(), RefreshToken: person.RefreshToken()}
}

// texts are what was written in the group on Hangouts since the tests began.
func (w *world) texts() (texts []string) {
	for _, e := range w.hangouts.Events("trio") {
		if e.Text != "" && e.Text != "welcome" {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// wait waits until Hangouts has a text.
func (w *world) wait(text string) {
	w.T.Helper()
	w.Eventually(patience, text+" on Hangouts", func() bool { return slices.Contains(w.texts(), text) })
}

// say has alice write something, whatever the homeserver is doing.
func (w *world) say(text string) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), patience)
	defer cancel()
	_, err := w.Alice.SendTextRetry(ctx, w.room, text, "txn-"+text)
	require.NoError(w.T, err)
}

func TestSynapseForgetsWhatItOwes(t *testing.T) {
	for name, restart := range map[string]func(*synapse.Server){
		"killed": func(s *synapse.Server) { s.Kill9(); s.StartAgain() },
		"ended":  func(s *synapse.Server) { s.Restart() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.say("before")
			w.wait("before")
			// The first event is in flight and not answered, the others wait behind it. So soon
			// after the start /sync may name some to the bridge, until it asks less often.
			w.link.Stall(patience)
			want := []string{"before"}
			for owed := false; !owed; {
				first := fmt.Sprintf("m%d", len(want))
				for range 5 {
					want = append(want, fmt.Sprintf("m%d", len(want)))
					w.say(want[len(want)-1])
				}
				w.Alice.WaitText(w.room, want[len(want)-1])
				owed = !slices.Contains(w.texts(), first)
			}
			restarted := make(chan struct{})
			go func() { defer close(restarted); restart(w.synapse) }()
			time.Sleep(100 * time.Millisecond) // Synapse is going down, and the link is of use again when it comes back
			w.link.Calm()
			w.link.Cut()
			<-restarted
			want = append(want, "after")
			w.say("after")
			w.wait("after")
			require.Equal(t, want, w.texts())

			// A failed transaction makes Synapse push again what was in flight.
			w.link.Refuse(502, 2*time.Second)
			want = append(want, "refused first")
			w.say("refused first")
			w.wait("refused first")
			_, err := w.hangouts.Person("bob").Send("trio", "the end")
			require.NoError(t, err)
			w.Alice.WaitText(w.room, "the end")
			require.Equal(t, append(want, "the end"), w.texts(), "nothing twice, in order")
			var shown []string
			for _, line := range mxclient.Texts(w.Alice.History(w.room)) {
				if _, text, _ := strings.Cut(line, ": "); text != "welcome" {
					shown = append(shown, text)
				}
			}
			require.Equal(t, append(want, "the end"), shown, "nothing comes back")
		})
	}
}
