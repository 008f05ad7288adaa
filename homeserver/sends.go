package homeserver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
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
// attempt, and after reading the room where the homeserver may have forgotten it. Nothing of it is
// stored: what a previous run has sent without a message row is found in the room (traces).
type sender struct {
	c   *Connector
	now func() time.Time

	mu   sync.Mutex
	open map[sentMessage]map[string]*openSend // by transaction id
}

// sentMessage is a message of the network, or another event that shows as several, in a room.
type sentMessage struct {
	room    id.RoomID
	message networkid.MessageID
}

// part names one Matrix event among those that show an event of the network.
type part struct {
	message networkid.MessageID // id of that event, in the form of a message's
	name    string
	author  networkid.UserID
}

// partOf names what is sent: a part of a message, the edit of a part, or a reaction. ok is false for anything else.
func partOf(ctx context.Context, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra) (p part, ok bool) {
	if extra == nil {
		return part{}, false
	}
	shown := networkid.MessageID("")
	if a, ok := ctx.Value(keyAttempt).(*Attempt); ok {
		shown = a.shows
	}
	message, reaction := extra.MessageMeta, extra.ReactionMeta
	switch {
	case kind == event.EventReaction && reaction != nil:
		name := fmt.Sprintf("reaction\x00%s\x00%s\x00%s", reaction.MessageID, reaction.SenderID, reaction.EmojiID)
		return part{cmp.Or(shown, reaction.MessageID), name, reaction.SenderID}, true
	case kind != event.EventMessage || message == nil || message.ID == "":
		return part{}, false
	case isEdit(content):
		return part{shown, "edit\x00" + string(message.PartID), message.SenderID}, shown != ""
	case shown != "" && shown != message.ID: // an edit adds it, and an earlier one may have taken it away
		return part{shown, "added\x00" + string(message.PartID), message.SenderID}, true
	}
	return part{message.ID, string(message.PartID), message.SenderID}, true
}

func isEdit(content *event.Content) bool {
	message, ok := content.Parsed.(*event.MessageEventContent)
	return ok && message.RelatesTo.GetReplaceID() != ""
}

// openSend is a send of this run whose message row may not exist yet. The portal's lock keeps its
// attempts apart.
type openSend struct {
	as    id.UserID // of the first attempt
	first time.Time // when that began
	event id.EventID
}

func newSender(c *Connector) *sender {
	return &sender{c: c, now: time.Now, open: map[sentMessage]map[string]*openSend{}}
}

// begin returns the open send of a transaction, or a new one; begun tells which.
func (s *sender) begin(in sentMessage, txnID string, as id.UserID) (send *openSend, begun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if send = s.open[in][txnID]; send != nil {
		return send, false
	}
	if s.open[in] == nil {
		s.open[in] = map[string]*openSend{}
	}
	send = &openSend{as: as, first: s.now()}
	s.open[in][txnID] = send
	return send, true
}

func (s *sender) drop(in sentMessage, txnID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.open[in], txnID); len(s.open[in]) == 0 {
		delete(s.open, in)
	}
}

// Sent forgets the sends of a message in a room: its rows exist.
func (c *Connector) Sent(room id.RoomID, message networkid.MessageID) {
	c.sender.mu.Lock()
	defer c.sender.mu.Unlock()
	delete(c.sender.open, sentMessage{room, message})
}

// OpenSends is the number of messages with sends whose rows may not exist yet.
func (c *Connector) OpenSends() int {
	c.sender.mu.Lock()
	defer c.sender.mu.Unlock()
	return len(c.sender.open)
}

// Attempt is one handling of an event by bridgev2. After the first failure it sends nothing
// more, so that later parts do not overtake a missing one.
type Attempt struct {
	ctx    context.Context // of the delivery
	shows  networkid.MessageID
	failed error
}

// NewAttempt makes the attempt of a delivery that ends with ctx. shows is the id of the event of the
// network, in the form of a message's; "" if there is none.
func NewAttempt(ctx context.Context, shows networkid.MessageID) *Attempt {
	return &Attempt{ctx: ctx, shows: shows}
}

// Failed is the error of the first send that failed, nil if none did.
func (a *Attempt) Failed() error { return a.failed }

// Failed is the error of the attempt that a handling belongs to, nil without one.
func Failed(handling context.Context) error {
	if a, _ := handling.Value(keyAttempt).(*Attempt); a != nil {
		return a.failed
	}
	return nil
}

// fails notes in the attempt of a handling, if it has one, what may succeed the next time. What the homeserver refuses is how it
// is; bridgev2 has logged it.
func fails(handling context.Context, err error) {
	if a, _ := handling.Value(keyAttempt).(*Attempt); a != nil && a.failed == nil && err != nil && !Refused(err) {
		a.failed = err
	}
}

// StopGrace is how long a handling may go on after its delivery has ended.
const StopGrace = 4 * time.Second

// Mutate ties bridgev2's handling to the attempt. The handling ends a while after the delivery:
// a room that is being created or a message that is being sent is better finished.
func (a *Attempt) Mutate(handling context.Context) context.Context {
	handling, cancel := context.WithCancel(handling)
	context.AfterFunc(a.ctx, func() { time.AfterFunc(StopGrace, cancel) })
	return context.WithValue(handling, keyAttempt, a)
}

// transactionID is the same for every attempt to send a part into a room,
// and no other send of the room has it, whoever sends.
func transactionID(room id.RoomID, p part) string {
	sum := sha256.Sum256([]byte(string(room) + "\x00" + string(p.message) + "\x00" + p.name))
	return "hg" + hex.EncodeToString(sum[:16])
}

func (s *sender) send(ctx context.Context, as *Intent, room id.RoomID, p part, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra) (*mautrix.RespSendEvent, error) {
	return attempt(ctx, func() (*mautrix.RespSendEvent, error) { return s.sendOnce(ctx, as, room, p, kind, content, extra) })
}

// attempt sends as a step of the attempt of a handling, if it has one: after a failure nothing is sent.
func attempt(handling context.Context, send func() (*mautrix.RespSendEvent, error)) (*mautrix.RespSendEvent, error) {
	a, _ := handling.Value(keyAttempt).(*Attempt)
	if a != nil && a.failed != nil {
		return nil, fmt.Errorf("%w: %w", errEarlierFailed, a.failed)
	}
	resp, err := send()
	if err != nil && a != nil {
		a.failed = err
	}
	return resp, err
}

func (s *sender) sendOnce(ctx context.Context, as *Intent, room id.RoomID, p part, kind event.Type, content *event.Content, extra *bridgev2.MatrixSendExtra) (*mautrix.RespSendEvent, error) {
	in, txnID := sentMessage{room, p.message}, transactionID(room, p)
	left, err := s.c.traces.of(ctx, room, extra.Timestamp)
	if err != nil {
		return nil, err
	}
	send, begun := s.begin(in, txnID, as.GetMXID())
	if !begun {
		if as, err = s.firstSender(ctx, as, send.as); err != nil {
			return nil, err
		}
		if send.event == "" && !s.remembered(as, send) {
			s.c.traces.forget(room)
			if left, err = s.c.traces.of(ctx, room, extra.Timestamp); err != nil {
				return nil, err
			}
		}
	}
	if send.event == "" {
		if found, ok := left.sentAs(txnID, s.sendersOf(p.author, send.as, as.GetMXID()), s.c.isOurs); ok {
			zerolog.Ctx(ctx).Info().Str("event", string(found.event)).Msg("Found the event of an unconfirmed send")
			send.as, send.event = found.sender, found.event
		}
	}
	if send.event != "" {
		s.note(extra, send.as, !s.c.isOurs(send.as))
		return &mautrix.RespSendEvent{EventID: send.event}, nil
	}
	if !begun && !s.remembered(as, send) {
		send.as, send.first = as.GetMXID(), s.now()
	}
	s.note(extra, as.GetMXID(), as.IsDoublePuppet())
	resp, err := s.put(ctx, as, room, kind, content, extra, txnID)
	if errors.Is(err, errDuplicateAnnotation) {
		resp, err = s.existing(ctx, as, room, content, err)
	}
	if err == nil {
		send.event = resp.EventID
	} else if Refused(err) {
		s.drop(in, txnID)
	}
	return resp, err
}

// note writes into the row who sends.
func (s *sender) note(extra *bridgev2.MatrixSendExtra, as id.UserID, puppet bool) {
	if extra.MessageMeta != nil {
		extra.MessageMeta.SenderMXID, extra.MessageMeta.IsDoublePuppeted = as, puppet
	} else if extra.ReactionMeta != nil {
		extra.ReactionMeta.SenderMXID = as
	}
}

// existing finds a user's reaction that the homeserver has already, of an earlier run or their own, or returns cause.
func (s *sender) existing(ctx context.Context, as *Intent, room id.RoomID, content *event.Content, cause error) (*mautrix.RespSendEvent, error) {
	wanted := content.Parsed.(*event.ReactionEventContent).RelatesTo
	req := &mautrix.ReqGetRelations{RelationType: event.RelAnnotation, EventType: event.EventReaction, Limit: readPage}
	for {
		page, err := s.c.Bot.GetRelations(ctx, room, wanted.EventID, req)
		if err != nil {
			return nil, fmt.Errorf("look for a reaction that is there: %w", err)
		}
		for _, e := range page.Chunk {
			if e.Sender != as.GetMXID() || e.Content.ParseRaw(event.EventReaction) != nil {
				continue
			}
			if e.Content.AsReaction().RelatesTo.Key == wanted.Key {
				return &mautrix.RespSendEvent{EventID: e.ID}, nil
			}
		}
		if page.NextBatch == "" || page.NextBatch == req.From {
			return nil, cause
		}
		req.From = page.NextBatch
	}
}

// sendersOf are the users that a person's message may have been sent as in an earlier attempt:
// their login, which was perhaps absent then, their ghost, and those of this run.
func (s *sender) sendersOf(person networkid.UserID, known ...id.UserID) []id.UserID {
	if person != "" {
		known = append(known, s.c.FormatGhostMXID(person))
	}
	if author := s.c.host.UserOf(person); author != "" {
		known = append(known, author)
	}
	return known
}

// remembered reports whether the homeserver knows an attempt of this run by its transaction id.
func (s *sender) remembered(as *Intent, send *openSend) bool {
	age := s.now().Sub(send.first)
	return age >= 0 && age < remembered && as.GetMXID() == send.as && s.c.devices.has(as)
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
	if errors.Is(err, errUnknownDevice) {
		s.c.devices.forget(ctx, as)
	}
	return resp, err
}
