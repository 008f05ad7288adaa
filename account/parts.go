package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// part is what one attempt sends of a request: all of it, except that people are added and
// removed a few at a time.
type part struct {
	id      uint64
	request chat.Request
	more    []chat.PersonID // those who are left for later parts; nil = the last part
}

// nextPart is the next part of a request; ok is false if nothing is left to do. People are left out
// whom an earlier attempt has added or removed. Only the last part has the request's own id:
// what the log has by that id is done.
func nextPart(row *database.OutboxRow, c chat.Conversation) (next part, ok bool) {
	next = part{id: row.RequestID, request: row.Request}
	most := AddAtOnce
	switch row.Kind {
	case chat.RequestRemovePeople:
		most = 1
	case chat.RequestAddPeople:
	default:
		return next, row.Attempts == 0 || row.Request.Repeatable() || !row.Request.Reached(c)
	}
	people := row.Request.Remaining(c)
	if len(people) > most {
		people, next.more = people[:most], people[most:]
		next.id = RequestID(chat.Origin{Side: row.Request.Origin.Side, Ref: row.Request.Origin.Ref + "\x00" + string(people[0])})
	}
	next.request = withPeople(row.Request, people)
	return next, len(people) > 0
}

// withPeople is a request to add or remove, for other people.
func withPeople(r chat.Request, people []chat.PersonID) chat.Request {
	if r.AddPeople != nil {
		r.AddPeople = people
	} else {
		r.RemovePeople = people
	}
	return r
}

// partDone notes what is left of a request, and pauses before that.
func (o *outbox) partDone(row *database.OutboxRow, done part, answer Answer) error {
	row.Request, row.State = withPeople(row.Request, done.more), database.OutboxPending
	if err := o.s.m.db.Outbox().Put(o.s.ctx, row); err != nil {
		row.State = database.OutboxAmbiguous // as it stands there, see refreshed
		return err
	}
	o.s.expect(answer.Event)
	sleep(o.s.ctx, o.s.m.options.PartPause)
	return o.s.ctx.Err()
}

// reachedAfterAll settles a request that was refused because an earlier attempt, of which no answer
// came, had done it. Who wants to leave where nobody knows of them has left.
func (o *outbox) reachedAfterAll(row *database.OutboxRow, refusal error, deadline time.Time) bool {
	if row.Attempts < 2 || row.Kind == chat.RequestMessage || row.Request.Finds() {
		return false
	}
	gone := errors.Is(refusal, chat.ErrUnknownConversation) && (row.Kind == chat.RequestLeave || row.Kind == chat.RequestDecline)
	if !gone {
		ctx, cancel := context.WithTimeout(o.s.ctx, deadline.Add(resolvePatience).Sub(o.s.m.now()))
		defer cancel()
		if err := o.s.catchUp(ctx); err != nil {
			return false
		}
		c, err := o.s.Conversation(ctx, row.Request.Conversation)
		if err != nil || !row.Request.Reached(c) {
			return false
		}
	}
	var answer Answer
	if gone {
		left := chat.Left
		answer.Conversations = []chat.ConversationDelta{{ID: row.Request.Conversation, Standing: &left}}
	}
	return o.answered(row, answer) == nil
}

// findCreated looks for the conversation that a request may have made, among the latest ones: with its
// name and people, and moved since the request was written. There is no event of it.
func (o *outbox) findCreated(ctx context.Context, row *database.OutboxRow) (bool, error) {
	conn, err := o.s.request()
	if err != nil {
		return false, err
	}
	page, err := conn.Conversations(ctx, 0, listPage)
	if err != nil {
		return false, err
	}
	wanted := row.Request.Create
	since := page.Time - (o.s.m.now().UnixMicro() - row.Created) - time.Minute.Microseconds()
	for _, d := range page.Conversations {
		c := chat.Conversation{}.Apply(d)
		if !d.Complete || c.Kind != wanted.Kind || c.Name != wanted.Name || c.SortTime < since || len(c.Members) != len(wanted.People)+1 {
			continue
		}
		strangers := slices.ContainsFunc(c.Members, func(m chat.Member) bool { return m.ID != o.s.id && !slices.Contains(wanted.People, m.ID) })
		if !strangers {
			return true, o.answered(row, Answer{Conversations: []chat.ConversationDelta{d}})
		}
	}
	return false, nil
}
