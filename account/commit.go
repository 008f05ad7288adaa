package account

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// commitOptions say what else belongs into the transaction of an update.
type commitOptions struct {
	cursor   int64               // µs; move the cursor there, 0 = leave it
	snapshot bool                // first listing: events are history and are not logged
	past     bool                // by a catch-up
	live     bool                // by a push: every event's conversation has to be known
	ownMark  bool                // the watermark is what the network has just accepted from us
	restart  chat.ConversationID // its log lacks something before this update, or the network has deleted it
	added    *[]chat.Event       // gets the events that were new
}

// commitment is one update on its way into the database, and what is published after.
type commitment struct {
	m       *Manager
	s       *session
	update  Update
	options commitOptions

	rows    map[chat.ConversationID]*database.ConversationRow
	before  map[chat.ConversationID]database.ConversationRow
	fresh   map[chat.ConversationID]bool // introduced by this update
	events  []chat.Event                 // those of conversations that the account knows
	added   []chat.Event                 // the new ones of them
	people  []chat.Person
	changed []database.ConversationRow
	marks   []chat.Watermark
	settled []*database.OutboxRow
}

// commit writes an update of one account in one transaction: log, snapshot, outbox and
// cursor. Then consumers are notified. Events of unknown conversations are looked up first; if
// that fails, the commit fails and nothing is written.
func (m *Manager) commit(ctx context.Context, s *session, update Update, options commitOptions) error {
	update, err := s.completeUnknown(ctx, update)
	if err != nil {
		return err
	}
	c := newCommitment(s, update, options)
	return m.db.WriteAndPublish(ctx, c.write, c.done)
}

// newCommitment is for an update that is complete, or of which options say that it has to be.
func newCommitment(s *session, update Update, options commitOptions) *commitment {
	return &commitment{m: s.m, s: s, update: update, options: options}
}

// begin makes the commitment empty: its transaction may be run again.
func (c *commitment) begin() {
	*c = *newCommitment(c.s, c.update, c.options)
	c.rows = make(map[chat.ConversationID]*database.ConversationRow)
	c.before = make(map[chat.ConversationID]database.ConversationRow)
	c.fresh = make(map[chat.ConversationID]bool)
}

func (c *commitment) write(ctx context.Context) error {
	c.begin()
	steps := []func(context.Context) error{
		c.introduce, c.restart, c.writePeople, c.writeEvents, c.applyEvents, c.applyDeltas, c.writeMarks, c.writeConversations,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if c.options.cursor != 0 {
		return c.m.db.Accounts().MoveCursor(ctx, c.s.id, c.options.cursor)
	}
	return nil
}

// row returns the account's row of a conversation, nil if it has none.
func (c *commitment) row(ctx context.Context, id chat.ConversationID) (*database.ConversationRow, error) {
	if row, ok := c.rows[id]; ok {
		return row, nil
	}
	row, err := c.s.known.rowToWrite(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		c.rows[id] = nil
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	c.rows[id], c.before[id] = &row, row
	return &row, nil
}

// introduce makes rows for conversations that are new to the account.
func (c *commitment) introduce(ctx context.Context) error {
	for _, d := range c.update.Conversations {
		row, err := c.row(ctx, d.ID)
		if err != nil {
			return err
		}
		if row != nil || !d.Complete {
			continue
		}
		c.rows[d.ID] = &database.ConversationRow{Conversation: chat.Conversation{
			V: chat.Version, ID: d.ID, Kind: chat.Group, Standing: chat.Active, Level: chat.Ring}}
		c.fresh[d.ID] = true
	}
	return nil
}

func (c *commitment) writePeople(ctx context.Context) error {
	incoming := make(map[chat.PersonID]chat.Person)
	var order []chat.PersonID
	add := func(p chat.Person, authoritative bool) {
		if p.ID == "" {
			return
		}
		known, ok := incoming[p.ID]
		if !ok {
			order = append(order, p.ID)
			known = chat.Person{ID: p.ID}
		}
		incoming[p.ID] = known.Merge(p, authoritative)
	}
	authoritative := make(map[chat.PersonID]bool)
	for _, p := range c.update.People {
		add(p, true)
		authoritative[p.ID] = true
	}
	for _, d := range c.update.Conversations {
		for _, member := range d.Members {
			add(chat.Person{ID: member.ID, FullName: member.Name}, false)
		}
	}
	old, err := c.s.known.knownToWrite(ctx, order)
	if err != nil {
		return err
	}
	for _, id := range order {
		was, known := old[id]
		if !known {
			was = chat.Person{ID: id}
		}
		is := was.Merge(incoming[id], authoritative[id])
		if known && reflect.DeepEqual(was, is) {
			continue
		}
		c.s.known.written[id] = true
		if err = c.m.db.Snapshots().PutPerson(ctx, c.s.id, is); err != nil {
			return err
		}
		c.people = append(c.people, is)
	}
	return nil
}

// errUnknown: the network has to be asked for a conversation first.
var errUnknown = errors.New("an event of a conversation that is not known")

// writeEvents appends the update's events to the log and settles our requests.
func (c *commitment) writeEvents(ctx context.Context) error {
	if c.options.snapshot {
		return nil
	}
	var events []chat.Event
	var err error
	for _, received := range c.update.Events {
		e := received.Event
		if e.Author != c.s.id {
			e.RequestID = 0 // another account's
		}
		row, err := c.row(ctx, e.Conversation)
		if err != nil {
			return err
		}
		if row == nil && c.options.live {
			return errUnknown
		} else if row == nil {
			continue
		}
		if e.Origin, err = c.originOf(ctx, received); err != nil {
			return err
		}
		events = append(events, e)
	}
	if c.added, err = c.m.log.Append(ctx, c.s.id, events); err != nil {
		return err
	}
	c.events = events
	return c.s.blankDeleted(ctx, c.added)
}

// originOf finds the request of ours that made an event, and settles it.
func (c *commitment) originOf(ctx context.Context, e ReceivedEvent) (chat.Origin, error) {
	row, err := c.requestOf(ctx, e)
	if err != nil || row == nil {
		return chat.Origin{}, err
	}
	if row.State != database.OutboxDone {
		settle(row, e.Event, c.m.now())
		if err = c.m.db.Outbox().Put(ctx, row); err != nil {
			return chat.Origin{}, err
		}
		c.settled = append(c.settled, row)
	}
	return row.Request.Origin, nil
}

// requestOf finds the request that made an event of the account's own: its copy names it. For one
// without a name it is the oldest request for such an event that has left and has no answer.
func (c *commitment) requestOf(ctx context.Context, e ReceivedEvent) (*database.OutboxRow, error) {
	if e.Author != c.s.id {
		return nil, nil
	}
	if e.RequestID != 0 {
		row, err := c.m.db.Outbox().ByRequestID(ctx, c.s.id, e.RequestID)
		if errors.Is(err, database.ErrNotFound) {
			return nil, nil
		}
		return row, err
	}
	if _, known, err := c.m.log.Find(ctx, c.s.id, e.Conversation, e.ID); known || err != nil {
		return nil, err
	}
	row, err := c.m.db.Outbox().ByEvent(ctx, c.s.id, e.Conversation, e.ID)
	if !errors.Is(err, database.ErrNotFound) {
		return row, err // its answer came first
	}
	rows, err := c.m.db.Outbox().Open(ctx, c.s.id, e.Conversation)
	n := slices.IndexFunc(rows, func(row *database.OutboxRow) bool {
		return row.State != database.OutboxPending && mayHaveMade(row.Request, e.Event)
	})
	if n < 0 {
		return nil, err
	}
	return rows[n], err
}

// mayHaveMade reports whether an event is what a request asks for.
func mayHaveMade(r chat.Request, e chat.Event) bool {
	switch {
	case r.Message != nil && e.Message != nil:
		return r.Message.Text.String() == e.Message.Text.String()
	case r.Edit != nil && e.Edit != nil:
		return r.Edit.Target == e.Edit.Target && r.Edit.Message.Text.String() == e.Edit.Message.Text.String()
	case r.Deletion != nil && e.Deletion != nil:
		return r.Deletion.Target == e.Deletion.Target
	case r.Reaction != nil && e.Reaction != nil:
		return *r.Reaction == *e.Reaction
	case r.Topic != nil && e.Description != nil:
		return r.Topic.New == e.Description.New
	}
	return false
}

// applyEvents takes what events say about conversations into the snapshots, in order.
func (c *commitment) applyEvents(ctx context.Context) error {
	type key struct {
		conversation chat.ConversationID
		id           chat.EventID
	}
	seqs := make(map[key]int64, len(c.added))
	for _, e := range c.added {
		seqs[key{e.Conversation, e.ID}] = e.Seq
	}
	for _, e := range c.update.Events {
		row, err := c.row(ctx, e.Conversation)
		if err != nil {
			return err
		}
		if row == nil {
			continue
		}
		was := row.Standing
		row.Conversation = row.ApplyEvent(e.Event, c.s.id)
		if seq := seqs[key{e.Conversation, e.ID}]; seq > 0 && returned(was, row.Standing) {
			if err = c.startAfter(ctx, row, seq-1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *commitment) applyDeltas(ctx context.Context) error {
	for _, d := range c.update.Conversations {
		row, err := c.row(ctx, d.ID)
		if err != nil {
			return err
		}
		if row == nil {
			continue
		}
		was := row.Standing
		row.Conversation = row.Apply(d)
		if !returned(was, row.Standing) {
			continue
		}
		head, err := c.m.log.Head(ctx, c.s.id, d.ID)
		if err == nil {
			err = c.startAfter(ctx, row, head)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *commitment) writeMarks(ctx context.Context) error {
	marks := slices.Clone(c.update.Watermarks)
	for _, d := range c.update.Conversations {
		if d.ReadTime != nil && *d.ReadTime > 0 {
			marks = append(marks, chat.Watermark{Conversation: d.ID, Person: c.s.id, Time: *d.ReadTime})
		}
	}
	for _, w := range marks {
		if w.Person == c.s.id && !c.options.ownMark && c.s.marks.echo(w) {
			continue
		}
		if c.options.ownMark {
			if err := c.m.db.Marks().Settle(ctx, c.s.id, w.Conversation, w.Time); err != nil {
				return err
			}
		}
		moved, err := c.m.db.Snapshots().MoveWatermark(ctx, c.s.id, w)
		if err != nil {
			return err
		}
		if !moved {
			continue
		}
		c.marks = append(c.marks, w)
		row, err := c.row(ctx, w.Conversation)
		if err != nil {
			return err
		}
		if row != nil && w.Person == c.s.id {
			row.ReadTime = max(row.ReadTime, w.Time)
		}
	}
	return nil
}

func (c *commitment) writeConversations(ctx context.Context) error {
	for id, row := range c.rows {
		if row == nil || (!c.fresh[id] && reflect.DeepEqual(*row, c.before[id])) {
			continue
		}
		c.s.known.written[id] = true
		if err := c.m.db.Snapshots().PutConversation(ctx, c.s.id, *row); err != nil {
			return err
		}
		c.changed = append(c.changed, *row)
	}
	return nil
}
