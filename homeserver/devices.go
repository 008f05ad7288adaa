package homeserver

import (
	"context"
	"net/http"
	"sync"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// deviceID is the one device that every ghost and puppet has for its sends. A homeserver
// remembers the transaction ids of a device over its own restarts, others not.
const (
	deviceID   = "HANGOUTSBRIDGE"
	deviceName = "Hangouts bridge"
)

// devices makes the devices, each once and when it is first needed.
type devices struct {
	store *database.MatrixRooms

	mu      sync.Mutex
	known   map[string]string
	refused map[string]bool // users for whom the homeserver makes none
}

func newDevices(store *database.MatrixRooms) *devices {
	return &devices{store: store, known: map[string]string{}, refused: map[string]bool{}}
}

// load reads which devices there are.
func (d *devices) load(ctx context.Context) error {
	known, err := d.store.Devices(ctx)
	if err == nil {
		d.mu.Lock()
		d.known = known
		d.mu.Unlock()
	}
	return err
}

// ensure returns the device of a user's sends, making it if need be; "" where the
// homeserver makes none, or where the user's own token has one.
func (d *devices) ensure(ctx context.Context, as *Intent) (string, error) {
	user := string(as.GetMXID())
	d.mu.Lock()
	device, done := d.known[user]
	done = done || d.refused[user] || ownToken(as)
	d.mu.Unlock()
	if done {
		return device, nil
	}
	if err := as.Matrix.EnsureRegistered(ctx); err != nil {
		return "", err
	}
	url := as.Matrix.BuildClientURL("v3", "devices", id.DeviceID(deviceID))
	_, err := as.Matrix.MakeRequest(ctx, http.MethodPut, url, &mautrix.ReqPutDevice{DisplayName: deviceName}, nil)
	if Refused(err) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("user", user).Msg("The homeserver makes no device; a restart of it may double a message that is just being sent")
		d.mu.Lock()
		d.refused[user] = true
		d.mu.Unlock()
		return "", nil
	} else if err != nil {
		return "", err
	}
	if err = d.store.PutDevice(ctx, user, deviceID); err != nil {
		return "", err
	}
	d.mu.Lock()
	d.known[user] = deviceID
	d.mu.Unlock()
	return deviceID, nil
}

// has reports whether a user's sends carry a device.
func (d *devices) has(as *Intent) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[string(as.GetMXID())] != "" || ownToken(as)
}

// forget notes that a user's device is gone.
func (d *devices) forget(ctx context.Context, as *Intent) {
	user := string(as.GetMXID())
	d.mu.Lock()
	delete(d.known, user)
	d.mu.Unlock()
	if err := d.store.DropDevice(ctx, user); err != nil {
		zerolog.Ctx(ctx).Err(err).Str("user", user).Msg("Failed to forget a device")
	}
}

// ownToken reports whether a user is acted for with a token of their own login.
func ownToken(as *Intent) bool { return as.Matrix.IsCustomPuppet && !as.Matrix.SetAppServiceUserID }
