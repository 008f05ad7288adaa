package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

const (
	deliverBatch    = 16
	deliverParallel = 16
	// stopGrace is how long a handling may go on after its delivery has ended.
	stopGrace = homeserver.StopGrace
	// handlerPatience is how long an event waits with its portal locked for the handler that
	// it began with: one that comes before that, of a member who moved, may wait for the lock.
	handlerPatience = time.Second
	// kickEvery is how often at most all rooms that wait are tried again at once.
	kickEvery = 10 * time.Second
	// poisonTries is how often an event is tried that the homeserver refuses, or whose
	// handling breaks, before it is given up.
	poisonTries = 3
	// poisonPart marks the notice about an event that was given up.
	poisonPart networkid.PartID = "failed"
)

// delivery is what the consumers of all logins share.
type delivery struct {
	hs *homeserver.Connector
	// people guards the ghosts of everything that is delivered.
	people *people

	// portals are locked while one login delivers to them.
	portals keyedLocks[networkid.PortalKey]

	mu      sync.Mutex
	stalled bool      // something waits for the homeserver
	kicked  time.Time // when all that waits was last tried again at once
}

func newDelivery(hs *homeserver.Connector) *delivery {
	return &delivery{hs: hs, people: newPeople()}
}

// consumer delivers the events of one account to Matrix.
type consumer struct {
	*Client
	d    *delivery
	live *live

	mu    sync.Mutex
	tries map[networkid.MessageID]int
	marks map[markKey]lateMark

	writerKept map[networkid.PortalKey]bool // rooms where it is noted who writes
	arrived    map[networkid.PortalKey]bool // rooms that the login is known to be in
}

var (
	_ account.Consumer = (*consumer)(nil)
	_ account.Observer = (*consumer)(nil)
)

func newConsumer(c *Client, d *delivery) *consumer {
	return &consumer{Client: c, d: d, live: newLive(), tries: map[networkid.MessageID]int{}, marks: map[markKey]lateMark{}, writerKept: map[networkid.PortalKey]bool{}, arrived: map[networkid.PortalKey]bool{}}
}

// Deliver implements account.Consumer.
func (c *consumer) Deliver(ctx context.Context, events []chat.Event) (done int, err error) {
	ctx = c.login.Log.WithContext(ctx)
	conversation, err := c.session.Conversation(ctx, events[0].Conversation)
	if err != nil {
		return 0, c.judge(ctx, events[0], fmt.Errorf("get conversation: %w", err))
	}
	key := c.Key(conversation.ID, conversation.Kind)
	unlock, err := c.d.portals.lock(ctx, key)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if conversation, err = c.session.Conversation(ctx, conversation.ID); err != nil {
		return 0, c.judge(ctx, events[0], fmt.Errorf("get conversation: %w", err))
	}
	for n, e := range events {
		err = c.deliver(ctx, e, conversation)
		c.goOn(err)
		if err != nil {
			return n, c.judge(ctx, e, err)
		}
		c.forgive(e)
		c.catchUpMarks(ctx, e)
	}
	return len(events), nil
}

// goOn makes all rooms that wait try again after the first event that succeeds after an outage,
// also one that the homeserver had no part in: kickEvery bounds what that costs.
func (c *consumer) goOn(err error) {
	d := c.d
	d.mu.Lock()
	kick := err == nil && d.stalled && time.Since(d.kicked) > kickEvery
	switch {
	case kick:
		d.stalled, d.kicked = false, time.Now()
	case err != nil && mayHelp(err):
		d.stalled = true
	}
	d.mu.Unlock()
	if kick {
		c.connector.tryAgain()
	}
}

// judge decides whether a failed event is tried again.
func (c *consumer) judge(ctx context.Context, e chat.Event, err error) error {
	if mayHelp(err) || ctx.Err() != nil || !c.poisoned(e) {
		return err
	}
	zerolog.Ctx(ctx).Err(err).Str("conversation", string(e.Conversation)).Str("event", string(e.ID)).Str("kind", string(e.Kind)).
		Msg("Giving up an event that cannot be shown in Matrix")
	c.tellGivenUp(ctx, e)
	c.forgive(e)
	return account.Permanent(err)
}

// poisoned counts a failure and reports whether there were enough.
func (c *consumer) poisoned(e chat.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := ids.MakeMessageID(e.Conversation, e.ID)
	c.tries[id]++
	return c.tries[id] >= poisonTries
}

func (c *consumer) forgive(e chat.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tries) > 0 {
		delete(c.tries, ids.MakeMessageID(e.Conversation, e.ID))
	}
}

// deliver has one event shown in Matrix; nil means that it is there, or that Matrix shows
// nothing of it.
func (c *consumer) deliver(ctx context.Context, e chat.Event, conversation chat.Conversation) error {
	if e.Kind == chat.KindFailure {
		if e.Failure.What == chat.RequestLeave && e.Origin.Side == chat.OriginMatrix && strings.HasPrefix(e.Origin.Ref, leftRef) {
			c.notLeft(ctx, conversation, chat.Failed(e.Failure.Reason))
		}
		return nil // the handler of the Matrix event reports all others
	}
	key := c.Key(conversation.ID, conversation.Kind)
	before, err := c.connector.existing(ctx, key)
	if err != nil {
		return err
	}
	if before != nil {
		if skip, err := c.attend(ctx, before, e, conversation); err != nil || skip {
			return err
		}
	}
	if e, err = c.madeBy(ctx, key, e); err != nil {
		return err
	}
	if here := e.Origin.Side == chat.OriginMatrix && (key.Receiver == "" || e.Author == c.id); here && e.Target() != "" {
		if err = c.handled(ctx, e); err != nil || e.Kind != chat.KindDeletion {
			return err
		} // the message may be more than the event that was redacted
	} else if here && e.Kind == chat.KindMessage {
		if err = c.settleOwn(ctx, e, key); !errors.Is(err, portal.ErrTaken) {
			return err
		} // a request that the network has carried out twice: the second message is shown
	}
	message := ids.MakeMessageID(e.Conversation, e.ID)
	try := homeserver.NewAttempt(ctx, message)
	remote, err := c.Remote(ctx, e, conversation, try.Mutate)
	if err != nil || remote == nil {
		return err
	}
	create := portal.IsMessage(remote) && c.connector.config.CreateOnMessage && conversation.Standing != chat.Left
	room, err := c.ensureRoom(ctx, conversation, create, asBefore)
	if err != nil || room == nil {
		return err
	}
	if origin, ok, err := c.writtenHere(ctx, room, e); err != nil {
		return err
	} else if ok {
		own := e
		own.Origin = origin
		if err = c.settleOwn(ctx, own, key); !errors.Is(err, portal.ErrTaken) {
			return err
		}
	}
	if err = c.Load(ctx, room, remote); err != nil {
		return err
	}
	involved, err := c.involved(ctx, e, conversation)
	if err != nil {
		return err
	}
	if err = c.queueMessage(ctx, try, remote, involved...); err != nil {
		return err
	}
	if portal.IsMessage(remote) || e.Edit != nil {
		if err = c.expire(ctx, room, e); err != nil {
			return err
		}
	}
	c.d.hs.Sent(room.MXID, message)
	return nil
}

// involved are the people whose ghosts an event needs, made known before.
func (c *consumer) involved(ctx context.Context, e chat.Event, conversation chat.Conversation) ([]chat.PersonID, error) {
	if e.Membership == nil {
		people := []chat.PersonID{e.Author}
		if e.Reactions != nil {
			for _, r := range e.Reactions.List {
				people = append(people, r.People...)
			}
		}
		return people, nil
	}
	changed := e.Membership.People
	if e.Membership.Joined {
		known, err := c.Known(ctx, conversation, changed...)
		if err == nil {
			err = c.introduce(ctx, known)
		}
		if err != nil {
			return nil, fmt.Errorf("introduce people: %w", err)
		}
	}
	return append(slices.Clone(changed), e.Author), nil
}

// queue has bridgev2 handle an event in which people are involved and returns what became
// of it.
func (c *consumer) queue(ctx context.Context, remote bridgev2.RemoteEvent, involved ...chat.PersonID) error {
	release, err := c.holdPeople(ctx, involved...)
	if err != nil {
		return err
	}
	defer release()
	if err = c.keepWriter(ctx, remote.GetPortalKey()); err != nil {
		return err
	}
	result := c.login.QueueRemoteEvent(remote)
	switch {
	case result.Error != nil:
		return result.Error
	case !result.Success:
		return errNotBridged // a panic; bridgev2 has logged it
	case result.Queued:
		return bridgev2.ErrHandlerBackgrounded
	case !result.Ignored || !portal.IsMessage(remote):
		return nil
	}
	return c.hasRow(remote)
}

// queueMessage is queue for events that send messages. bridgev2 reports an event that the
// homeserver refuses as ignored, without the error; the attempt has it.
// mautrix: blockBubblingEventError in bridgev2/portal.go, until it returns the error.
func (c *consumer) queueMessage(ctx context.Context, try *homeserver.Attempt, remote bridgev2.RemoteEvent, involved ...chat.PersonID) error {
	err := c.queue(ctx, remote, involved...)
	if (err == nil || errors.Is(err, errNoRow)) && try.Failed() != nil {
		return fmt.Errorf("send message: %w", try.Failed())
	}
	return err
}

// hasRow is nil if a message that bridgev2 ignored is there.
func (c *consumer) hasRow(remote bridgev2.RemoteEvent) error {
	ctx := c.login.Log.WithContext(c.connector.bridge.BackgroundCtx)
	message := remote.(bridgev2.RemoteMessage)
	row, err := c.connector.bridge.DB.Message.GetFirstPartByID(ctx, remote.GetPortalKey().Receiver, message.GetID())
	if err != nil {
		return fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
	} else if row == nil {
		return errNoRow
	}
	return nil
}

// settleOwn takes care of an event that began in this room: it is never sent, but has to
// have its row. Its handler writes the row; the rest is for handlers that were cut short.
func (c *consumer) settleOwn(ctx context.Context, e chat.Event, key networkid.PortalKey) error {
	room, err := c.connector.bridge.GetExistingPortalByKey(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: get portal: %w", bridgev2.ErrDatabaseError, err)
	} else if room == nil || room.MXID == "" {
		return nil
	}
	if err = c.handled(ctx, e); err != nil {
		return err
	}
	return c.keepOwnRow(ctx, room, e)
}

// handled waits until the Matrix event that an event began with is handled.
func (c *consumer) handled(ctx context.Context, e chat.Event) error {
	eventID, _, ok := ids.ParseOrigin(e.Origin)
	if !ok {
		return nil
	}
	patience, cancel := context.WithTimeout(ctx, handlerPatience)
	defer cancel()
	if err := c.d.hs.Final(patience, eventID); err != nil {
		return fmt.Errorf("wait for the handler of %s: %w", eventID, err)
	}
	return nil
}

// keepOwnRow writes the row of an event that began in this room, or returns [portal.ErrTaken].
func (c *Client) keepOwnRow(ctx context.Context, room *bridgev2.Portal, e chat.Event) error {
	eventID, n, ok := ids.ParseOrigin(e.Origin)
	if !ok {
		return nil
	}
	err := portal.KeepRow(ctx, room, c.Row(room, eventID, c.userOf(e.Author), n, e))
	if errors.Is(err, portal.ErrTaken) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: keep row of own message: %w", bridgev2.ErrDatabaseError, err)
	}
	return c.expire(ctx, room, e)
}

// timeOf is the network's time of an event.
func timeOf(e chat.Event) time.Time { return time.UnixMicro(e.Time) }

const givenUp = "Something that came from Hangouts could not be shown here. The bridge's log says why."

// maxGivenUp is how much of a message is quoted that could not be shown, in code points.
const maxGivenUp = 4000

// givenUp says who has written what could not be shown, and its text.
func (c *consumer) givenUp(ctx context.Context, e chat.Event) string {
	if e.Message == nil {
		return givenUp
	}
	people, err := c.People(ctx, e.Author)
	if err != nil {
		return givenUp
	}
	text := []rune(e.Message.Text.String())
	if len(text) > maxGivenUp {
		text = append(text[:maxGivenUp], '…')
	}
	return fmt.Sprintf("A message of %s could not be shown here as it is; the bridge's log says why. Its text:\n\n%s", people[e.Author].DisplayName(), string(text))
}

// tellGivenUp says in the room, once, that something is missing there.
func (c *consumer) tellGivenUp(ctx context.Context, e chat.Event) {
	conversation, err := c.session.Conversation(ctx, e.Conversation)
	if err != nil {
		return
	}
	room, err := c.connector.bridge.GetExistingPortalByKey(ctx, c.Key(conversation.ID, conversation.Kind))
	if err != nil || room == nil || room.MXID == "" {
		return
	}
	message := ids.MakeMessageID(e.Conversation, e.ID)
	err = c.say(ctx, room, message, poisonPart, c.givenUp(ctx, e))
	if err != nil && !mayHelp(err) { // the homeserver may refuse the text here, too
		err = c.say(ctx, room, message, poisonPart, givenUp)
	}
	if err == nil {
		err = c.expire(ctx, room, e)
	}
	if err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to say in the room that an event was given up")
	}
}
