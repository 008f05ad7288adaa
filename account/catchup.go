package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// catchupState runs an account's catch-ups, one at a time.
type catchupState struct {
	s      *session
	wanted chan struct{}

	done  atomic.Bool  // one has been logged in this run of the program
	ahead atomic.Int64 // µs; how far the network's clock was ahead of ours then

	mu      sync.Mutex
	waiters []chan error

	// Of the loop alone:
	run   *catchupRun // the one under way
	asked time.Time   // when all people were last looked up; at first, as if that was nearly due
}

// catchupRun is one catch-up.
type catchupRun struct {
	began time.Time
	epoch int   // of the intake
	live  bool  // pushes flowed at its beginning
	clock int64 // µs; the network's time at its end
	added []chat.Event
}

func (c *catchupState) init(s *session) { c.s, c.wanted = s, make(chan struct{}, 1) }

// trigger asks for a catch-up that begins after now.
func (c *catchupState) trigger() {
	select {
	case c.wanted <- struct{}{}:
	default:
	}
}

// ask is trigger with the result of that catch-up.
func (c *catchupState) ask() <-chan error {
	done := make(chan error, 1)
	c.mu.Lock()
	c.waiters = append(c.waiters, done)
	c.mu.Unlock()
	c.trigger()
	return done
}

// now runs a catch-up that begins after the call and returns its result.
func (c *catchupState) now(ctx context.Context) error {
	select {
	case err := <-c.ask():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clock is the network's time, by which its events expire; ok is false until the first
// catch-up of the run.
func (c *catchupState) clock() (now time.Time, ok bool) {
	return c.s.m.now().Add(time.Duration(c.ahead.Load()) * time.Microsecond), c.done.Load()
}

// loop runs catch-ups when asked for, and regularly while connected so that the cursor
// stays young.
func (c *catchupState) loop() {
	ticker := time.NewTicker(c.s.m.options.CatchupEvery)
	defer ticker.Stop()
	pauses := c.s.m.options.backoff()
	failingSince := time.Time{}
	for {
		select {
		case <-c.s.ctx.Done():
			return
		case <-c.wanted:
		case <-ticker.C:
			if c.s.State().Status != chat.Connected {
				continue
			}
		}
		c.mu.Lock()
		waiters := c.waiters
		c.waiters = nil
		c.mu.Unlock()
		again, err := c.once(c.s.ctx)
		for _, w := range waiters {
			w <- err
		}
		if err == nil {
			pauses.reset()
			failingSince = time.Time{}
			if again {
				c.trigger()
			} else {
				c.s.caughtUp(nil)
				c.refreshPeople(c.s.ctx)
			}
			continue
		}
		if c.s.ctx.Err() != nil {
			return
		}
		c.s.caughtUp(err)
		if failingSince.IsZero() {
			failingSince = time.Now()
		}
		c.s.zlog.Warn().Err(err).Msg("Catch-up failed, trying again")
		if time.Since(failingSince) > c.s.m.options.AsidePatience {
			_, _ = c.s.intake.release(c.s.ctx, anyEpoch)
		}
		if c.s.State().Status != chat.BadCredentials {
			c.pause(pauses, err)
			c.trigger()
		}
	}
}

// pause waits before the next try after a failure. Somebody who asks for a catch-up, for
// example a new channel, shortens it, but not below what the network asked for.
func (c *catchupState) pause(pauses *backoff, err error) {
	asked := retryAfter(err)
	whole := pauses.pause(asked)
	least := min(whole, max(asked, c.s.m.options.BackoffMin))
	if !sleep(c.s.ctx, least) {
		return
	}
	timer := time.NewTimer(whole - least)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.wanted:
	case <-c.s.ctx.Done():
	}
}

// once runs one catch-up: everything that happened before it is logged, then what was
// pushed meanwhile. again asks for one more.
func (c *catchupState) once(ctx context.Context) (again bool, err error) {
	c.run = &catchupRun{began: time.Now()}
	c.run.epoch, c.run.live = c.s.intake.begin()
	conn, err := c.s.request()
	if err != nil {
		return false, err
	}
	row, err := c.s.m.db.Accounts().Get(ctx, c.s.id)
	if err != nil {
		return false, err
	}
	if row.Cursor == 0 {
		err = c.first(ctx, conn)
	} else {
		err = c.since(ctx, conn, row.Cursor)
	}
	if err != nil {
		return false, err
	}
	c.ahead.Store(c.run.clock - c.s.m.now().UnixMicro())
	if !c.done.Swap(true) {
		c.s.outbox.wakeAll()
	}
	if again, err = c.s.intake.release(ctx, c.run.epoch); err == nil && !again {
		c.s.watch.judge(c.run)
	}
	return again, err
}

// log commits what a catch-up brings.
func (c *catchupState) log(ctx context.Context, update Update, cursor int64) error {
	return c.s.m.commit(ctx, c.s, update, commitOptions{cursor: cursor, past: true, added: &c.run.added})
}

// listPage is how many conversations are asked for at once.
const listPage = 100

// first takes the list of conversations as it is; their past is history.
func (c *catchupState) first(ctx context.Context, conn Connection) error {
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
		if err = c.s.m.commit(ctx, c.s, page.Update, options); err != nil {
			return err
		}
		if last {
			c.run.clock = cursor
			c.s.lookUpPeople(ctx, conn)
			c.s.setReady()
			return nil
		}
		before = page.Next
	}
}

// since logs everything after the cursor.
func (c *catchupState) since(ctx context.Context, conn Connection, cursor int64) error {
	if time.Since(time.UnixMicro(cursor)) > c.s.m.options.OldestCursor {
		return c.compare(ctx, conn, cursor)
	}
	from := max(cursor-c.s.m.options.Overlap.Microseconds(), 1)
	for {
		page, err := conn.Sync(ctx, from)
		if err != nil {
			return fmt.Errorf("sync: %w", err)
		}
		if page.Stale || (page.Cut && page.SyncedTo <= from) {
			return c.compare(ctx, conn, cursor)
		}
		if err = c.log(ctx, page.Update, page.SyncedTo); err != nil {
			return err
		}
		if !page.Cut {
			c.run.clock = page.SyncedTo
			c.s.lookUpPeople(ctx, conn)
			return nil
		}
		from = page.SyncedTo
	}
}

// compare lists all conversations and reads back every one that moved since the cursor.
func (c *catchupState) compare(ctx context.Context, conn Connection, cursor int64) error {
	c.s.zlog.Info().Time("cursor", time.UnixMicro(cursor)).Msg("Comparing all conversations")
	target := cursor - c.s.m.options.Overlap.Microseconds()
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
		if err = c.commitListed(ctx, page.Update, target); err != nil {
			return err
		}
		if page.Next == 0 || (before != 0 && page.Next >= before) {
			break
		}
		before = page.Next
	}
	for _, id := range moved {
		err := c.readBack(ctx, conn, id, target)
		if errors.Is(err, chat.ErrUnknownConversation) || errors.Is(err, chat.ErrRefused) {
			c.s.zlog.Warn().Err(err).Str("conversation", string(id)).Msg("The network does not let this conversation be read back")
		} else if err != nil {
			return err
		}
	}
	c.run.clock = now
	return c.s.m.commit(ctx, c.s, Update{}, commitOptions{cursor: now})
}

// commitListed takes a page of the list: snapshots only, since the events follow
// conversation by conversation. A conversation that the account did not know and that
// moved since target (µs) comes with its events, so that it is shown from there.
func (c *catchupState) commitListed(ctx context.Context, update Update, target int64) error {
	known := update
	known.Conversations, known.Events = nil, nil
	for _, d := range update.Conversations {
		_, err := c.s.m.db.Snapshots().Conversation(ctx, c.s.id, d.ID)
		if err == nil || (d.SortTime != nil && *d.SortTime < target) {
			known.Conversations = append(known.Conversations, d)
		} else if !errors.Is(err, database.ErrNotFound) {
			return err
		}
	}
	return c.s.m.commit(ctx, c.s, known, commitOptions{snapshot: true})
}

// historyPage is how many events are asked for at once.
const historyPage = 50

// readBack stages a conversation's pages back to target (µs) and then logs them, oldest
// first.
func (c *catchupState) readBack(ctx context.Context, conn Connection, id chat.ConversationID, target int64) error {
	store := c.s.m.db.Snapshots()
	if err := store.DropStaged(ctx, c.s.id, id); err != nil {
		return err
	}
	var token HistoryToken
	pages := 0
	for reached := false; !reached; {
		page, err := conn.History(ctx, id, token, historyPage)
		if err != nil {
			return fmt.Errorf("read back conversation: %w", err)
		}
		payload, err := json.Marshal(page.Update)
		if err != nil {
			return err
		}
		if err = store.StagePage(ctx, c.s.id, id, pages, payload); err != nil {
			return err
		}
		pages++
		reached = page.End || page.Next.Time <= target || (token.Time != 0 && page.Next.Time >= token.Time)
		token = page.Next
	}
	for n := pages - 1; n >= 0; n-- {
		payload, err := store.StagedPage(ctx, c.s.id, id, n)
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
		if err = c.log(ctx, update, 0); err != nil {
			return err
		}
	}
	return store.DropStaged(ctx, c.s.id, id)
}
