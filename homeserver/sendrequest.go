package homeserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// sendDeadline bounds one attempt to send a message. Uploads share the client, so it is not
// the client's.
const sendDeadline = 30 * time.Second

// sendIdentity makes repeating a send harmless: the homeserver answers the same transaction
// id of the same device with the same event. An empty device is left out.
type sendIdentity struct {
	txnID, deviceID string
}

// sendRequest is one event on its way to the homeserver. Every repeat is the same request,
// byte for byte, also when it is encrypted.
type sendRequest struct {
	room    id.RoomID
	url     string
	content *event.Content
}

// newSend builds the request: marked with the transaction id, encrypted where the room is,
// and marked as ours for a double puppet.
// mautrix: matrix.ASIntent.SendMessage, until it takes a device id and can repeat a request.
func newSend(ctx context.Context, as *Intent, room id.RoomID, kind event.Type, content *event.Content, at time.Time, identity sendIdentity) (*sendRequest, error) {
	raw := maps.Clone(content.Raw)
	if raw == nil {
		raw = map[string]any{}
	}
	marks := map[string]any{markerField: identity.txnID}
	if as.IsDoublePuppet() {
		marks[roomField] = string(room)
	}
	maps.Copy(raw, marks)
	marked := &event.Content{VeryRaw: content.VeryRaw, Raw: raw, Parsed: content.Parsed}
	if message, ok := content.Parsed.(*event.MessageEventContent); ok {
		message.AddPerMessageProfileFallback()
	}
	query, millis := map[string]string{}, int64(0)
	if !at.IsZero() {
		millis = at.UnixMilli()
		query["ts"] = strconv.FormatInt(millis, 10)
	}
	encrypted, err := false, error(nil)
	if kind != event.EventReaction { // clients and servers have to count reactions
		encrypted, err = as.encrypts(ctx, room)
	}
	if err == nil && encrypted {
		as.Matrix.AddDoublePuppetValueWithTS(marked, millis)
		kind, err = event.EventEncrypted, as.Connector.Crypto.Encrypt(ctx, room, kind, marked)
		marked.Raw = marks // outside, too: it is known again without being decrypted
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt message: %w", err)
	}
	as.Matrix.AddDoublePuppetValue(marked)
	if identity.deviceID != "" {
		query["device_id"] = identity.deviceID
	}
	path := mautrix.ClientURLPath{"v3", "rooms", room, "send", kind.String(), identity.txnID}
	return &sendRequest{room: room, url: as.Matrix.BuildURLWithQuery(path, query), content: marked}, nil
}

// errNoCrypto: a room is encrypted and the bridge is not set up for that.
var errNoCrypto = errors.New("the room is encrypted, but encryption is switched off in the bridge's config")

func (i *Intent) encrypts(ctx context.Context, room id.RoomID) (bool, error) {
	encrypted := i.Connector.Config.Encryption.Require
	if !encrypted {
		var err error
		if encrypted, err = i.Connector.StateStore.IsEncrypted(ctx, room); err != nil {
			return false, fmt.Errorf("look whether the room is encrypted: %w", err)
		}
	}
	if encrypted && i.Connector.Crypto == nil {
		return false, errNoCrypto
	}
	return encrypted, nil
}

// do makes one attempt. It joins the user unless they are absent from the room.
func (r *sendRequest) do(ctx context.Context, as *Intent) (resp *mautrix.RespSendEvent, err error) {
	if !as.staysOut(ctx, r.room) {
		if err = as.Matrix.EnsureJoined(ctx, r.room); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1), sendDeadline)
	defer cancel()
	_, err = as.Matrix.MakeRequest(ctx, http.MethodPut, r.url, r.content, &resp)
	return resp, err
}
