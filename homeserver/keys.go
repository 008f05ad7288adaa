package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// keys is the framework's encryption, except for how keys come in: they are in the database
// before the homeserver hears that it may forget them, whether they come with transactions
// (encryption.appservice) or with /sync.
// mautrix: appservice/http.go keeps them in memory only, and Client.SyncWithContext stores the
// token before it handles them, until both are handled first.
type keys struct {
	matrix.Crypto
	c     *Connector
	ready chan struct{} // closed when there is a machine

	handling sync.Mutex // one after another, also when the homeserver repeats a transaction
	machine  machine
}

// machine is what the framework's syncer offers of the olm machine.
type machine interface {
	HandleDeviceLists(ctx context.Context, lists *mautrix.DeviceLists, since string)
	HandleToDeviceEvent(ctx context.Context, e *event.Event)
	HandleOTKCounts(ctx context.Context, count *mautrix.OTKCount)
	MarkOlmHashSavePoint(ctx context.Context)
}

// errNoMachine: the library has changed.
var errNoMachine = errors.New("the framework's encryption offers no olm machine")

func newKeys(crypto matrix.Crypto, c *Connector) *keys {
	return &keys{Crypto: crypto, c: c, ready: make(chan struct{})}
}

// Init implements matrix.Crypto. It also forgets the sessions that messages were encrypted with:
// a database that lost its last moments or was restored would use a key twice, and clients
// refuse the second message.
func (k *keys) Init(ctx context.Context) error {
	if err := k.Crypto.Init(ctx); err != nil {
		return err
	}
	client := k.Client()
	machine, ok := client.Syncer.(machine)
	if !ok {
		return errNoMachine
	}
	if _, err := k.c.Bridge.DB.Exec(ctx, `DELETE FROM crypto_megolm_outbound_session`); err != nil {
		return fmt.Errorf("forget sessions of the previous run: %w", err)
	}
	k.machine = machine
	synced := &keySync{client.Store, client.Syncer, k}
	client.Store, client.Syncer = synced, synced
	close(k.ready)
	return nil
}

// keyData is what a transaction or an answer to /sync holds about keys.
type keyData struct {
	lists    *mautrix.DeviceLists
	toDevice []*event.Event
	count    *mautrix.OTKCount
}

// handle returns when the keys are in the database. What makes the library panic is passed.
func (k *keys) handle(ctx context.Context, data keyData, since string) {
	k.handling.Lock()
	defer k.handling.Unlock()
	guard := func(fn func()) {
		defer func() {
			if err := recover(); err != nil {
				k.c.Log.Error().Any("panic", err).Bytes(zerolog.ErrorStackFieldName, debug.Stack()).Msg("Handling keys panicked")
			}
		}()
		fn()
	}
	if data.lists != nil {
		guard(func() { k.machine.HandleDeviceLists(ctx, data.lists, since) })
	}
	for _, e := range data.toDevice {
		e.Type.Class = event.ToDeviceEventType
		_ = e.Content.ParseRaw(e.Type) // the machine passes what it does not know
		guard(func() { k.machine.HandleToDeviceEvent(ctx, e) })
	}
	if data.count != nil {
		guard(func() { k.machine.HandleOTKCounts(ctx, data.count) })
	}
	guard(func() { k.machine.MarkOlmHashSavePoint(ctx) })
}

// keySync is the bot's /sync for keys: the token is stored after what came with it.
type keySync struct {
	mautrix.SyncStore
	mautrix.Syncer
	keys *keys
}

// SaveNextBatch implements mautrix.SyncStore; ProcessResponse does it.
func (s *keySync) SaveNextBatch(context.Context, id.UserID, string) error { return nil }

// ProcessResponse implements mautrix.Syncer. An error would end the program; a token that is not
// stored only lets the same keys come again.
func (s *keySync) ProcessResponse(ctx context.Context, resp *mautrix.RespSync, since string) error {
	s.keys.handle(ctx, keyData{&resp.DeviceLists, resp.ToDevice.Events, &resp.DeviceOTKCount}, since)
	if err := s.SyncStore.SaveNextBatch(ctx, s.keys.Client().UserID, resp.NextBatch); err != nil && ctx.Err() == nil {
		s.keys.c.Log.Err(err).Msg("Failed to store up to where keys were read")
	}
	return nil
}

// take handles what a transaction holds about keys. An error means that the homeserver has to
// repeat it. Without encryption.appservice they come with /sync.
func (k *keys) take(ctx context.Context, transaction []byte) error {
	if !k.c.Config.Encryption.Appservice {
		return nil
	}
	parts := parseKeys(transaction)
	if len(parts.toDevice) > 0 || parts.lists != nil {
		select {
		case <-k.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	} else if len(parts.counts) == 0 || !k.isReady() {
		return nil // counts come again
	}
	client := k.Client()
	data := keyData{lists: parts.lists, toDevice: parts.toDevice}
	// The homeserver also counts the keys of the devices that ghosts and the bot send from.
	if count, ok := parts.counts[client.UserID][client.DeviceID]; ok {
		count.UserID, count.DeviceID = client.UserID, client.DeviceID
		data.count = &count
	}
	k.handle(context.WithoutCancel(ctx), data, "")
	return nil
}

func (k *keys) isReady() bool {
	select {
	case <-k.ready:
		return true
	default:
		return false
	}
}

// keyParts are the fields of a transaction about keys, each under its two names.
type keyParts struct {
	lists    *mautrix.DeviceLists
	toDevice []*event.Event
	counts   map[id.UserID]map[id.DeviceID]mautrix.OTKCount
}

// parseKeys takes the fields one by one: what cannot be read would be repeated without end.
func parseKeys(transaction []byte) (parts keyParts) {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(transaction, &fields)
	first := func(names ...string) json.RawMessage {
		for _, name := range names {
			if fields[name] != nil {
				return fields[name]
			}
		}
		return nil
	}
	_ = json.Unmarshal(first("device_lists", "org.matrix.msc3202.device_lists"), &parts.lists)
	_ = json.Unmarshal(first("device_one_time_keys_count", "org.matrix.msc3202.device_one_time_keys_count"), &parts.counts)
	var events []json.RawMessage
	_ = json.Unmarshal(first("to_device", "de.sorunome.msc2409.to_device"), &events)
	for _, raw := range events {
		e := &event.Event{}
		if json.Unmarshal(raw, e) == nil {
			parts.toDevice = append(parts.toDevice, e)
		}
	}
	return parts
}
