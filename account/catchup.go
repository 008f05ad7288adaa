package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// catchup is one catch-up, or a look whether one is needed: a child of the link, which owns it
// again once it has reported.
type catchup struct {
	s     *session
	ctx   context.Context
	stop  context.CancelFunc
	began time.Time
	epoch int            // of the intake at its beginning
	live  bool           // pushes flowed then
	look  bool           // only a comparison of the latest conversations
	asks  []chan<- error // who waits for it
	again bool           // another one has to follow

	clock int64         // µs; the network's time at its end
	ahead time.Duration // of our clock then
	added []chat.Event
}

// run is a child's goroutine: everything that happened before is logged, then what was pushed
// meanwhile.
func (r *catchup) run() {
	l := r.s.link
	err := r.bring(r.ctx)
	if err != nil { // and may have written nothing: what is on its way into the log is logged first, or kept aside
		_ = r.s.m.db.Write(r.ctx, func(context.Context) error { return nil })
	}
	unlogged := false
	for !unlogged {
		d := &drain{run: r, err: err}
		if !l.call(d) || d.next == nil {
			break
		}
		if failed := r.s.m.commit(r.ctx, r.s, *d.next, commitOptions{}); failed != nil {
			unlogged, err = true, errors.Join(err, failed)
		}
	}
	l.post(caughtUp{r, err, unlogged})
}

// bring logs what happened before.
func (r *catchup) bring(ctx context.Context) error {
	conn, err := r.s.request()
	if err != nil {
		return err
	}
	row, err := r.s.m.db.Accounts().Get(ctx, r.s.id)
	if err != nil {
		return err
	}
	if row.Cursor == 0 {
		return r.first(ctx, conn)
	}
	return r.since(ctx, conn, row.Cursor)
}

// log commits what a catch-up brings.
func (r *catchup) log(ctx context.Context, update Update, cursor int64) error {
	return r.s.m.commit(ctx, r.s, update, commitOptions{cursor: cursor, past: true, added: &r.added})
}

// upTo notes the network's time (µs) up to which everything is here.
func (r *catchup) upTo(clock int64) {
	r.clock, r.ahead = clock, time.Duration(clock-r.s.m.now().UnixMicro())*time.Microsecond
}

// listPage is how many conversations are asked for at once.
const listPage = 100

// first takes the list of conversations as it is; their past is history.
func (r *catchup) first(ctx context.Context, conn Connection) error {
	var cursor, before int64
	for {
		page, err := conn.Conversations(ctx, before, listPage)
		if err != nil {
			return fmt.Errorf("list conversations: %w", err)
		}
		if cursor == 0 {
			cursor = page.Time
		}
		last := page.Next == 0 || (before != 0 && page.Next >= before)
		options := commitOptions{snapshot: true}
		if last {
			options.cursor = cursor
		}
		if err = r.s.m.commit(ctx, r.s, page.Update, options); err != nil {
			return err
		}
		if last {
			r.upTo(cursor)
			r.s.lookUpPeople(ctx, conn)
			return nil
		}
		before = page.Next
	}
}

// since logs everything after the cursor.
func (r *catchup) since(ctx context.Context, conn Connection, cursor int64) error {
	if time.Since(time.UnixMicro(cursor)) > r.s.m.options.OldestCursor {
		return r.compare(ctx, conn, cursor)
	}
	from := max(cursor-r.s.m.options.Overlap.Microseconds(), 1)
	for {
		page, err := conn.Sync(ctx, from)
		if err != nil {
			return fmt.Errorf("sync: %w", err)
		}
		if page.Stale || (page.Cut && page.SyncedTo <= from) {
			return r.compare(ctx, conn, cursor)
		}
		if err = r.log(ctx, page.Update, page.SyncedTo); err != nil {
			return err
		}
		if !page.Cut {
			r.upTo(page.SyncedTo)
			r.s.lookUpPeople(ctx, conn)
			return nil
		}
		from = page.SyncedTo
	}
}

// compare lists all conversations and reads back every one that moved since the cursor.
func (r *catchup) compare(ctx context.Context, conn Connection, cursor int64) error {
	r.s.zlog.Info().Time("cursor", time.UnixMicro(cursor)).Msg("Comparing all conversations")
	target := cursor - r.s.m.options.Overlap.Microseconds()
	var now, before int64
	var moved []chat.ConversationID
	for {
		page, err := conn.Conversations(ctx, before, listPage)
		if err != nil {
			return fmt.Errorf("list conversations: %w", err)
		}
		if now == 0 {
			now = page.Time
		}
		for _, d := range page.Conversations {
			if d.SortTime == nil || *d.SortTime >= target {
				moved = append(moved, d.ID)
			}
		}
		if err = r.commitListed(ctx, page.Update, target); err != nil {
			return err
		}
		if page.Next == 0 || (before != 0 && page.Next >= before) {
			break
		}
		before = page.Next
	}
	for _, id := range moved {
		if err := r.readBack(ctx, conn, id, target); err != nil {
			return err
		}
	}
	r.upTo(now)
	return r.s.m.commit(ctx, r.s, Update{}, commitOptions{cursor: now})
}

// commitListed takes a page of the list: snapshots only, since the events follow
// conversation by conversation. A conversation that the account did not know and that
// moved since target (µs) comes with its events, so that it is shown from there.
func (r *catchup) commitListed(ctx context.Context, update Update, target int64) error {
	known := update
	known.Conversations, known.Events = nil, nil
	for _, d := range update.Conversations {
		_, err := r.s.m.db.Snapshots().Conversation(ctx, r.s.id, d.ID)
		if err == nil || (d.SortTime != nil && *d.SortTime < target) {
			known.Conversations = append(known.Conversations, d)
		} else if !errors.Is(err, database.ErrNotFound) {
			return err
		}
	}
	return r.s.m.commit(ctx, r.s, known, commitOptions{snapshot: true})
}

// historyPage is how many events are asked for at once.
const historyPage = 50

// readBack stages a conversation's pages back to target (µs) and then logs them, oldest
// first. What the network does not give leaves no gap in the log: it begins behind it.
func (r *catchup) readBack(ctx context.Context, conn Connection, id chat.ConversationID, target int64) error {
	store := r.s.m.db.Snapshots()
	pages, whole, err := r.stage(ctx, conn, id, target)
	if errors.Is(err, chat.ErrUnknownConversation) || errors.Is(err, chat.ErrRefused) {
		r.s.zlog.Warn().Err(err).Str("conversation", string(id)).Msg("The network does not let this conversation be read back")
		return r.s.m.commit(ctx, r.s, Update{}, commitOptions{restart: id})
	} else if err != nil {
		return err
	}
	if !whole {
		r.s.zlog.Warn().Str("conversation", string(id)).Msg("The network does not let this conversation be read back to what is logged")
		if err = r.s.m.commit(ctx, r.s, Update{}, commitOptions{restart: id}); err != nil {
			return err
		}
	}
	for n := pages - 1; n >= 0; n-- {
		payload, err := store.StagedPage(ctx, r.s.id, id, n)
		if err != nil {
			return err
		}
		var update Update
		if err = json.Unmarshal(payload, &update); err != nil {
			return err
		}
		kept := update.Events[:0]
		for _, e := range update.Events {
			if e.Time >= target {
				kept = append(kept, e)
			}
		}
		update.Events = kept
		if err = r.log(ctx, update, 0); err != nil {
			return err
		}
	}
	return store.DropStaged(ctx, r.s.id, id)
}

// stage stores a conversation's pages back to target (µs), the newest as 0. whole is false if the
// network did not go back so far.
func (r *catchup) stage(ctx context.Context, conn Connection, id chat.ConversationID, target int64) (pages int, whole bool, err error) {
	store := r.s.m.db.Snapshots()
	if err = store.DropStaged(ctx, r.s.id, id); err != nil {
		return 0, false, err
	}
	var token HistoryToken
	for reached := int64(math.MaxInt64); ; pages++ {
		page, err := conn.History(ctx, id, token, historyPage)
		if err != nil {
			return pages, false, fmt.Errorf("read back conversation: %w", err)
		}
		payload, err := json.Marshal(page.Update)
		if err != nil {
			return pages, false, err
		}
		if err = store.StagePage(ctx, r.s.id, id, pages, payload); err != nil {
			return pages, false, err
		}
		whole = page.End || page.CompleteFrom > 0 && page.CompleteFrom <= target
		if whole || page.CompleteFrom <= 0 || page.CompleteFrom >= reached || page.Next.isZero() {
			return pages + 1, whole, nil
		}
		token, reached = page.Next, page.CompleteFrom
	}
}
