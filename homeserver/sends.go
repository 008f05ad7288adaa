package homeserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/util/random"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	bridgedb "maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// markerField is in the content of everything that the sender sends: the transaction id,
// by which an event is known again in the room.
const markerField = "com.github.hangouts-bridge.id"

// roomField is in the content of what a double puppet sends: the room. A client that forwards a
// message into another room copies it, and with it what marks the bridge's own.
const roomField = "com.github.hangouts-bridge.room"

// IsForwarded reports whether a user has forwarded what their double puppet sent elsewhere.
func IsForwarded(e *event.Event) bool {
	room, ok := e.Content.Raw[roomField].(string)
	return ok && e.RoomID != "" && room != string(e.RoomID)
}

const (
	// remembered is how long a homeserver is trusted to know a transaction id of a
	// device; it forgets after a day.
	remembered = 23 * time.Hour
	// longestLimit is how long one attempt waits in all because the homeserver says so.
	longestLimit = time.Minute
)

// sender sends the parts of bridged messages so that each arrives once however often it
// is tried: with a transaction id made of what is sent, from the user of the first
// attempt, and after reading the room where the homeserver may have forgotten it.
type sender struct {
	store *database.MatrixSends
	c     *Connector
	run   string // identifies this run of the bridge
	now   func() time.Time
}

func newSender(c *Connector, store *database.MatrixSends) *sender {
	return &sender{store: store, c: c, run: random.String(16), now: time.Now}
}

// Attempt is one handling of an event by bridgev2. After the first failure it sends nothing
// more, so that later parts do not overtake a missing one.
type Attempt struct {
	ctx    context.Context // of the delivery
	failed error
}

// NewAttempt makes the attempt of a delivery that ends with ctx.
func NewAttempt(ctx context.Context) *Attempt { return &Attempt{ctx: ctx} }

// Failed is the error of the first send that failed, nil if none did.
func (a *Attempt) Failed() error { return a.failed }

// StopGrace is how long a handling may go on after its delivery has ended.
const StopGrace = 4 * time.Second

// Mutate ties bridgev2's handling to the attempt. The handling ends a while after the delivery:
// a room that is being created or a message that is being sent is better finished.
func (a *Attempt) Mutate(handling context.Context) context.Context {
	handling, cancel := context.WithCancel(handling)
	context.AfterFunc(a.ctx, func() { time.AfterFunc(StopGrace, cancel) })
	return context.WithValue(handling, keyAttempt, a)
}

// transactionID is the same for every attempt to send a part of a message into a room,
// and no other send of the room has it, whoever sends.
func transactionID(room id.RoomID, meta *bridgedb.Message) string {
	sum := sha256.Sum256([]byte(string(room) + "\x00" + string(meta.ID) + "\x00" + string(meta.PartID)))
	return "hg" + hex.EncodeToString(sum[:16])
}

func (s *sender) send(ctx context.Context, as *Intent, room id.RoomID, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra) (*mautrix.RespSendEvent, error) {
	a, _ := ctx.Value(keyAttempt).(*Attempt)
	if a != nil && a.failed != nil {
		return nil, fmt.Errorf("%w: %w", errEarlierFailed, a.failed)
	}
	resp, err := s.sendOnce(ctx, as, room, kind, content, extra)
	if err != nil && a != nil {
		a.failed = err
	}
	return resp, err
}

func (s *sender) sendOnce(ctx context.Context, as *Intent, room id.RoomID, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra) (*mautrix.RespSendEvent, error) {
	meta := extra.MessageMeta
	left, err := s.c.traces.of(ctx, room, extra.Timestamp)
	if err != nil {
		return nil, err
	}
	send := database.MatrixSend{
		TxnID: transactionID(room, meta), MessageID: string(meta.ID), RoomID: string(room),
		Sender: string(as.GetMXID()), Run: s.run, First: s.now().UnixMicro(),
	}
	stored, begun, err := s.store.Begin(ctx, send)
	if err != nil {
		return nil, fmt.Errorf("%w: note send: %w", bridgev2.ErrDatabaseError, err)
	}
	if begun {
		// A database that was restored does not know what it sent.
		if found, ok := left.sentAs(send.TxnID, as.GetMXID(), s.sentAs(meta.SenderID)); ok {
			zerolog.Ctx(ctx).Info().Str("event", string(found.event)).Msg("Found the event of a forgotten send")
			meta.SenderMXID, meta.IsDoublePuppeted = found.sender, !s.c.isOurs(found.sender)
			return &mautrix.RespSendEvent{EventID: found.event}, s.answered(ctx, send.TxnID, found.event)
		}
	} else {
		if as, err = s.firstSender(ctx, as, id.UserID(stored.Sender)); err != nil {
			return nil, err
		}
		if stored.EventID == "" {
			if stored.EventID, err = s.settleDoubt(ctx, as, stored, send, extra.Timestamp); err != nil {
				return nil, err
			}
		}
	}
	meta.SenderMXID, meta.IsDoublePuppeted = as.GetMXID(), as.IsDoublePuppet()
	if stored.EventID != "" {
		return &mautrix.RespSendEvent{EventID: id.EventID(stored.EventID)}, nil
	}
	return s.put(ctx, as, room, kind, content, extra, send.TxnID)
}

// sentAs reports whether a message of a person may have been sent as a user: by their login,
// which was perhaps not absent then, by a ghost or by the bot.
func (s *sender) sentAs(person networkid.UserID) func(id.UserID) bool {
	author := s.c.host.UserOf(person)
	return func(user id.UserID) bool { return user == author || s.c.isOurs(user) }
}

// firstSender is the user of the first attempt. A send through another registration
// would be another event.
func (s *sender) firstSender(ctx context.Context, as *Intent, user id.UserID) (*Intent, error) {
	if as.GetMXID() == user {
		return as, nil
	}
	api, err := s.apiOf(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("%w: act as %s: %w", bridgev2.ErrFailedToGetIntent, user, err)
	}
	if first, ok := api.(*Intent); ok {
		return first, nil
	}
	return as, nil // the first sender cannot be acted as any more; reading the room decides
}

func (s *sender) apiOf(ctx context.Context, user id.UserID) (bridgev2.MatrixAPI, error) {
	if user == s.c.Bot.UserID {
		return s.c.BotIntent(), nil
	}
	if ghost, ok := s.c.ParseGhostMXID(user); ok {
		return s.c.GhostIntent(ghost), nil
	}
	person, err := s.c.Bridge.GetExistingUserByMXID(ctx, user)
	if err != nil || person == nil {
		return nil, err
	}
	return person.DoublePuppet(ctx), nil
}

// settleDoubt returns the event of an earlier attempt that was not answered, if it is in the
// room. Within a run the homeserver knows the attempt by its transaction id, unless it has
// forgotten that by now; then the room is read again.
func (s *sender) settleDoubt(ctx context.Context, as *Intent, stored, send database.MatrixSend, sent time.Time) (eventID string, err error) {
	age := s.now().Sub(time.UnixMicro(stored.First))
	sameSender := string(as.GetMXID()) == stored.Sender
	if stored.Run == s.run && age >= 0 && age < remembered && sameSender && s.c.devices.has(as) {
		return "", nil
	}
	if stored.Run == s.run {
		s.c.traces.forget(id.RoomID(stored.RoomID))
	}
	left, err := s.c.traces.of(ctx, id.RoomID(stored.RoomID), sent)
	if err != nil {
		return "", err
	}
	if found, ok := left.sentAs(stored.TxnID, id.UserID(stored.Sender), s.c.isOurs); ok {
		zerolog.Ctx(ctx).Info().Str("event", string(found.event)).Msg("Found the event of an unconfirmed send")
		return string(found.event), s.answered(ctx, stored.TxnID, found.event)
	}
	send.Sender = string(as.GetMXID())
	if err = s.store.Restart(ctx, send); err != nil {
		return "", fmt.Errorf("%w: note send: %w", bridgev2.ErrDatabaseError, err)
	}
	return "", nil
}

// put sends the event and waits as long as the homeserver asks for.
func (s *sender) put(ctx context.Context, as *Intent, room id.RoomID, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra, txnID string) (*mautrix.RespSendEvent, error) {
	device, err := s.c.devices.ensure(ctx, as)
	if err != nil {
		return nil, fmt.Errorf("make device: %w", err)
	}
	request, err := newSend(ctx, as, room, kind, content, extra.Timestamp, sendIdentity{txnID, device})
	if err != nil {
		return nil, err
	}
	resp, err := request.do(ctx, as)
	for waited := time.Duration(0); err != nil && ctx.Err() == nil; {
		pause := retryAfter(err)
		if waited += pause; pause == 0 || waited > longestLimit {
			break
		}
		Sleep(ctx, pause)
		resp, err = request.do(ctx, as)
	}
	if err != nil {
		s.failed(ctx, as, txnID, err)
		return nil, err
	}
	return resp, s.answered(ctx, txnID, resp.EventID)
}

func (s *sender) answered(ctx context.Context, txnID string, eventID id.EventID) error {
	if err := s.store.Answered(ctx, txnID, string(eventID)); err != nil {
		return fmt.Errorf("%w: note answer: %w", bridgev2.ErrDatabaseError, err)
	}
	return nil
}

// failed forgets what the homeserver has refused; everything else stays, with its sender.
func (s *sender) failed(ctx context.Context, as *Intent, txnID string, err error) {
	if errors.Is(err, errUnknownDevice) {
		s.c.devices.forget(ctx, as)
	}
	if Refused(err) {
		if err = s.store.Drop(ctx, txnID); err != nil {
			zerolog.Ctx(ctx).Err(err).Msg("Failed to forget a refused send")
		}
	}
}
