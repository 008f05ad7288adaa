package bridge

import (
	"context"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/secret"
)

// matrixConnector is bridgev2's Matrix connector with sends and rooms that can be
// repeated.
type matrixConnector struct {
	*matrix.Connector
	main   *Main
	sender *sender
	rooms  *roomMaker
	typing *puppetTyping
}

// Everything optional that the embedded connector offers has to stay visible.
var (
	_ bridgev2.MatrixConnector                           = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithServer                 = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithArbitraryRoomState     = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithPostRoomBridgeHandling = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithPublicMedia            = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithNameDisambiguation     = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithURLPreviews            = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithAnalytics              = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithBridgeIdentifier       = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithProvisioning           = (*matrixConnector)(nil)
	_ bridgev2.MatrixConnectorWithBeeperStreams          = (*matrixConnector)(nil)

	_ bridgev2.MarkAsDMMatrixAPI = (*intent)(nil)
)

// GhostIntent acts as a person's ghost.
func (m *matrixConnector) GhostIntent(user networkid.UserID) bridgev2.MatrixAPI {
	return m.wrap(m.Connector.GhostIntent(user))
}

// BotIntent acts as the bridge's bot.
func (m *matrixConnector) BotIntent() bridgev2.MatrixAPI { return m.wrap(m.Connector.BotIntent()) }

// puppetDeadline bounds how long setting up a double puppet waits for the homeserver.
const puppetDeadline = 30 * time.Second

// NewUserIntent acts as a Matrix user (double puppeting).
func (m *matrixConnector) NewUserIntent(ctx context.Context, user id.UserID, token string) (bridgev2.MatrixAPI, string, error) {
	// A failure here switches double puppeting off until the next start, so it waits for
	// the homeserver and does not end with what it is needed for.
	ctx, cancel := context.WithTimeout(withPatience(context.WithoutCancel(ctx)), puppetDeadline)
	defer cancel()
	api, token, err := m.Connector.NewUserIntent(ctx, user, token)
	if api == nil || err != nil {
		return api, token, err
	}
	wrapped := m.wrap(api)
	if as, ok := wrapped.(*intent); ok && as.Matrix.Client.Client != m.AS.HTTPClient {
		// A user of another homeserver has a client of their own.
		as.Matrix.Client.Client.Transport = newTransport(as.Matrix.Client.Client.Transport)
	}
	return wrapped, token, err
}

func (m *matrixConnector) wrap(api bridgev2.MatrixAPI) bridgev2.MatrixAPI {
	as, ok := api.(*matrix.ASIntent)
	if !ok {
		return api
	}
	return &intent{as, m}
}

// intent is a Matrix user whose messages and rooms can be made again without doubling.
type intent struct {
	*matrix.ASIntent
	m *matrixConnector
}

// SendMessage sends an event. The parts of a bridged message go through the sender. The
// bot repeats no secrets, and a redaction that is repeated stays one.
func (i *intent) SendMessage(ctx context.Context, room id.RoomID, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra) (*mautrix.RespSendEvent, error) {
	if redaction, ok := content.Parsed.(*event.RedactionEventContent); ok && extra == nil {
		extra = &bridgev2.MatrixSendExtra{TransactionID: onceID("redact", redaction.Redacts)}
	}
	if answer, ok := content.Parsed.(*event.MessageEventContent); ok && i.GetMXID() == i.m.Bot.UserID && secret.In(answer.Body) {
		content = &event.Content{Parsed: &event.MessageEventContent{MsgType: event.MsgNotice, Body: leftOutAnswer, RelatesTo: answer.RelatesTo}}
	}
	if extra == nil || extra.MessageMeta == nil || extra.MessageMeta.ID == "" || kind != event.EventMessage || isEdit(content) {
		return i.ASIntent.SendMessage(ctx, room, kind, content, extra)
	}
	return i.m.sender.send(ctx, i, room, kind, content, extra)
}

func isEdit(content *event.Content) bool {
	message, ok := content.Parsed.(*event.MessageEventContent)
	return ok && message.RelatesTo.GetReplaceID() != ""
}

// CreateRoom makes a room, or finds the one that an earlier attempt made.
func (i *intent) CreateRoom(ctx context.Context, req *mautrix.ReqCreateRoom) (id.RoomID, error) {
	return i.m.rooms.create(ctx, i, req)
}

// DeleteRoom deletes a room and its alias.
func (i *intent) DeleteRoom(ctx context.Context, room id.RoomID, puppetsOnly bool) error {
	i.m.rooms.dropAlias(ctx, room)
	return i.ASIntent.DeleteRoom(ctx, room, puppetsOnly)
}
