package homeserver

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// A guest to whom the owner has given all power upgrades the room: the conversation does not move into the guest's.
func TestAGuestUpgradesARoom(t *testing.T) {
	w := newWorldWith(t, func(s *stage.Stage) {
		s.Set("bridge.permissions", map[string]string{stage.Domain: "user", "@alice:" + stage.Domain: "admin"})
	})
	mallory := mxclient.New(t, w.synapse, "mallory")
	mallory.AutoJoin()
	w.Alice.Invite(w.room, mallory.UserID())
	w.Eventually(patience, "mallory to come", func() bool { return len(mallory.Rooms()) == 1 })
	w.Alice.SendText(w.room, "!hangouts set-pl "+string(mallory.UserID())+" 100")
	var made struct {
		Room id.RoomID `json:"replacement_room"`
	}
	w.Eventually(patience, "the power to upgrade", func() bool {
		_, err := mallory.Matrix.MakeRequest(context.Background(), "POST", mallory.Matrix.BuildClientURL("v3", "rooms", w.room, "upgrade"), map[string]string{"new_version": "10"}, &made)
		return err == nil
	})
	mallory.Do("invite the bot", func(ctx context.Context) error {
		_, err := mallory.Matrix.InviteUser(ctx, made.Room, &mautrix.ReqInviteUser{UserID: stage.Bot})
		return err
	})
	w.heard(mallory, w.room, "I do not follow")
	_, err := w.hangouts.Person("bob").Send("trio", "not for the new room")
	require.NoError(t, err)
	w.heard(w.Alice, w.room, "could not be shown") // the upgrade has silenced the old one
	require.NotContains(t, mallory.Texts(made.Room), "not for the new room")
	require.NotContains(t, w.Alice.Rooms(), made.Room)
}
