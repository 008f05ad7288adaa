package homeserver

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// olm notes what a machine and the store of tokens are asked for, in order.
type olm struct {
	matrix.Crypto
	mautrix.SyncStore
	done []string
}

func (o *olm) Client() *mautrix.Client {
	return &mautrix.Client{UserID: "@bot:test", DeviceID: "CRYPTO"}
}

func (o *olm) HandleDeviceLists(_ context.Context, lists *mautrix.DeviceLists, _ string) {
	o.done = append(o.done, fmt.Sprint("lists ", lists.Changed))
}

func (o *olm) HandleToDeviceEvent(_ context.Context, e *event.Event) {
	if e.Sender == "@hostile:test" {
		panic("cannot be read")
	}
	o.done = append(o.done, fmt.Sprint("to device ", e.Type.Type, " ", e.Type.Class.Name(), " from ", e.Sender, " to ", e.ToDeviceID))
}

func (o *olm) HandleOTKCounts(_ context.Context, count *mautrix.OTKCount) {
	o.done = append(o.done, fmt.Sprint("count ", count.UserID, " ", count.DeviceID, " ", count.SignedCurve25519))
}

func (o *olm) MarkOlmHashSavePoint(context.Context) {}

func (o *olm) SaveNextBatch(_ context.Context, _ id.UserID, token string) error {
	o.done = append(o.done, "token "+token)
	return nil
}

// newTestKeys are keys for transactions, for which there is no machine yet.
func newTestKeys() (*keys, *olm) {
	log := zerolog.Nop()
	o := &olm{}
	c := &Connector{Connector: &matrix.Connector{
		Log: &log, Config: &bridgeconfig.Config{Encryption: bridgeconfig.EncryptionConfig{Appservice: true}},
		AS: &appservice.AppService{Registration: &appservice.Registration{ServerToken: "hs"}},
	}}
	c.keys = newKeys(o, c)
	return c.keys, o
}

func (k *keys) testReady(o *olm) {
	k.machine = o
	close(k.ready)
}

// The token of /sync is stored after the keys that came with it, or the homeserver would forget
// them before we know them.
func TestSyncTokenFollowsTheKeys(t *testing.T) {
	k, o := newTestKeys()
	k.testReady(o)
	s := &keySync{o, nil, k}
	require.NoError(t, s.SaveNextBatch(t.Context(), "@bot:test", "t1"), "as the library does before it handles the answer")
	require.Empty(t, o.done)
	resp := &mautrix.RespSync{NextBatch: "t1"}
	resp.ToDevice.Events = []*event.Event{
		{Sender: "@hostile:test"},
		{Sender: "@alice:test", ToDeviceID: "CRYPTO", Type: event.Type{Type: "m.room.encrypted"}},
	}
	resp.DeviceLists.Changed = []id.UserID{"@alice:test"}
	require.NoError(t, s.ProcessResponse(t.Context(), resp, ""))
	require.Equal(t, []string{
		"lists [@alice:test]", "to device m.room.encrypted to-device from @alice:test to CRYPTO", "count   0", "token t1",
	}, o.done)
}

// A transaction is answered when its keys are handled, and not before they can be.
func TestTransactionWithKeys(t *testing.T) {
	const unstable = "org.matrix.msc3202."
	transaction := `{"events":[],"de.sorunome.msc2409.to_device":[7,{"type":"m.room.encrypted","sender":"@alice:test","to_user_id":"@bot:test","to_device_id":"CRYPTO","content":{}}],
		"` + unstable + `device_lists":{"changed":["@alice:test"]},
		"` + unstable + `device_one_time_keys_count":{"@bot:test":{"HANGOUTSBRIDGE":{"signed_curve25519":1},"CRYPTO":{"signed_curve25519":7}},"@hangouts_1:test":{"HANGOUTSBRIDGE":{}}}}`
	k, o := newTestKeys()
	push := func(ctx context.Context, body string) int {
		req := httptest.NewRequestWithContext(ctx, http.MethodPut, "/_matrix/app/v1/transactions/1", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer hs")
		rec := httptest.NewRecorder()
		(&transactions{k.c}).ServeHTTP(rec, req)
		return rec.Code
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	require.Equal(t, http.StatusInternalServerError, push(gone, transaction), "the homeserver keeps it")
	require.Empty(t, o.done)
	k.testReady(o)
	require.NoError(t, k.take(t.Context(), []byte(transaction)))
	want := []string{"lists [@alice:test]", "to device m.room.encrypted to-device from @alice:test to CRYPTO", "count @bot:test CRYPTO 7"}
	require.Equal(t, want, o.done)
	for _, nothing := range []string{`{"events":[]}`, `{"` + unstable + `device_one_time_keys_count":{"@bot:test":7},"to_device":{}}`} {
		require.NoError(t, k.take(t.Context(), []byte(nothing)))
	}
	require.Equal(t, want, o.done)
	k.c.Config.Encryption.Appservice = false
	require.NoError(t, k.take(t.Context(), []byte(transaction)), "keys come with /sync")
	require.Equal(t, want, o.done)
}
