package account

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// answered settles a request that the network has taken: from here on it cannot fail, however
// long the database takes. The event of the answer is not logged. The push of the event is, or what
// a catch-up brings if the push is late.
func (o *outbox) answered(row *database.OutboxRow, answer Answer) error {
	for {
		err := o.applied(row.Request, answer)
		if err == nil {
			err = o.done(o.s.ctx, row, answer.event())
		}
		if err == nil {
			o.s.expect(answer.Event)
			return nil
		}
		if o.s.ctx.Err() != nil {
			return o.s.ctx.Err()
		}
		o.s.zlog.Err(err).Msg("Failed to note what became of a request, trying again")
		sleep(o.s.ctx, o.s.m.options.BackoffMin)
	}
}

// event is the event of an answer; one without names the conversation that it tells of.
func (a Answer) event() chat.Event {
	e := a.Event
	if e.ID == "" && len(a.Conversations) == 1 {
		e.Conversation = a.Conversations[0].ID
	}
	return e
}

// applied takes what an answer tells of conversations into the snapshot. What was deleted is no
// history any more.
func (o *outbox) applied(request chat.Request, answer Answer) error {
	var options commitOptions
	if request.Clear != nil {
		options.restart = request.Conversation
	} else if len(answer.Conversations) == 0 {
		return nil
	}
	return o.s.m.commit(o.s.ctx, o.s, Update{Conversations: answer.Conversations}, options)
}

// done notes that a request has made an event.
func (o *outbox) done(ctx context.Context, row *database.OutboxRow, event chat.Event) error {
	settle(row, event, o.s.m.now())
	if err := o.s.m.db.Outbox().Put(ctx, row); err != nil && !errors.Is(err, database.ErrFinal) {
		return err
	}
	o.settle(row.Request.Origin)
	return nil
}

// settle makes a request one that has made an event.
func settle(row *database.OutboxRow, event chat.Event, now time.Time) {
	row.State, row.EventID, row.EventTime, row.Error, row.Closed = database.OutboxDone, event.ID, event.Time, "", now.UnixMicro()
	if row.Request.Finds() {
		row.Request.Conversation = event.Conversation
	}
}

// eventKinds are the events that requests make; the others make none.
var eventKinds = map[chat.RequestKind]chat.Kind{
	chat.RequestMessage: chat.KindMessage, chat.RequestEdit: chat.KindEdit, chat.RequestDeletion: chat.KindDeletion,
	chat.RequestReaction: chat.KindReaction, chat.RequestRename: chat.KindRename, chat.RequestTopic: chat.KindDescription,
	chat.RequestAddPeople: chat.KindMembership, chat.RequestRemovePeople: chat.KindMembership, chat.RequestLeave: chat.KindMembership,
	chat.RequestHistoryMode: chat.KindHistoryMode, chat.RequestLinkSharing: chat.KindLinkSharing,
}

// eventOf is the event of a request that is done, as far as the outbox knows it.
func (s *session) eventOf(row *database.OutboxRow) chat.Event {
	return chat.Event{V: chat.Version, Conversation: row.Request.Conversation, ID: row.EventID, Kind: eventKinds[row.Kind],
		Author: s.id, Time: cmp.Or(row.EventTime, row.Created), Origin: row.Request.Origin, RequestID: row.RequestID}
}

// expect has a catch-up look for an event whose push is late.
func (s *session) expect(event chat.Event) {
	if event.ID == "" || s.recent.has(event.Conversation, event.ID) {
		return
	}
	time.AfterFunc(s.m.options.PushWait, func() {
		s.spawn(func() {
			if s.recent.has(event.Conversation, event.ID) {
				return
			}
			if _, known, err := s.m.log.Find(s.ctx, s.id, event.Conversation, event.ID); !known || err != nil {
				s.link.post(ask{})
			}
		})
	})
}

// fail settles a request that has failed. Its fate goes into the log, to be delivered to where it
// came from: with the text, unless the conversation keeps no history. A conversation that was to be found has no
// log; who asked for it waits.
func (o *outbox) fail(row *database.OutboxRow, cause error) {
	origin := row.Request.Origin
	o.s.zlog.Warn().Err(cause).Str("origin", origin.Side).Str("origin_ref", origin.Ref).Str("request", string(row.Kind)).Msg("Request failed")
	failure := &chat.Failure{Reason: chat.FailureOf(cause)}
	if row.Kind != chat.RequestMessage {
		failure.What = row.Kind
	} else if c, err := o.s.Conversation(o.s.ctx, row.Request.Conversation); err == nil && !c.HistoryOff && row.Request.Message != nil {
		failure.Text = row.Request.Message.Text
	}
	row.State, row.Error, row.Closed = database.OutboxFailed, failure.Reason, o.s.m.now().UnixMicro()
	events := []chat.Event{{V: chat.Version, Conversation: row.Request.Conversation, ID: chat.EventID("failure/" + origin.Side + "/" + origin.Ref),
		Kind: chat.KindFailure, Time: row.Closed, Author: o.s.id, Origin: origin, Failure: failure}}
	if row.Request.Finds() {
		events = nil
	}
	for o.s.ctx.Err() == nil {
		var logged []chat.Event
		err := o.s.m.db.WriteAndPublish(o.s.ctx, func(ctx context.Context) (err error) {
			if err = o.s.m.db.Outbox().Put(ctx, row); err == nil {
				logged, err = o.s.m.log.Append(ctx, o.s.id, events)
			}
			return err
		}, func(err error) error {
			if err == nil {
				o.s.logged(logged)
			}
			return err
		})
		if err == nil || errors.Is(err, database.ErrFinal) {
			o.settle(origin)
			return
		}
		o.s.zlog.Err(err).Msg("Failed to store that a request failed")
		sleep(o.s.ctx, o.s.m.options.BackoffMin)
	}
}
