package bridge

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// live runs what is not worth keeping, one thing after another for each subject: while
// one runs, the next of the same kind waits and is replaced by later ones.
type live struct {
	mu      sync.Mutex
	busy    map[string]bool
	waiting map[string][]liveTask
	ended   bool
	workers sync.WaitGroup
}

type liveTask struct {
	kind string
	run  func()
}

func newLive() *live { return &live{busy: map[string]bool{}, waiting: map[string][]liveTask{}} }

// do runs a task of a subject soon, or replaces the waiting one of the same kind.
func (l *live) do(subject, kind string, run func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	queue := l.waiting[subject]
	for n := range queue {
		if queue[n].kind == kind {
			queue[n].run = run
			return
		}
	}
	l.waiting[subject] = append(queue, liveTask{kind, run})
	if !l.busy[subject] {
		l.busy[subject] = true
		l.workers.Go(func() { l.work(subject) })
	}
}

// stop drops what waits and waits for what runs, for a while: its context has ended.
func (l *live) stop() {
	l.mu.Lock()
	l.ended = true
	clear(l.waiting)
	l.mu.Unlock()
	done := make(chan struct{})
	go func() {
		l.workers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(stopGrace):
	}
}

func (l *live) work(subject string) {
	for {
		l.mu.Lock()
		queue := l.waiting[subject]
		if len(queue) == 0 {
			delete(l.waiting, subject)
			delete(l.busy, subject)
			l.mu.Unlock()
			return
		}
		task := queue[0]
		l.waiting[subject] = queue[1:]
		l.mu.Unlock()
		task.run()
	}
}

// inRoom runs fn, which shows something of a person, if a conversation has a room that the
// login delivers to, while nothing is delivered to it. The login's own person shows nothing
// in a room that they do not take part in, other such people while their ghosts are there.
func (c *consumer) inRoom(ctx context.Context, id chat.ConversationID, person chat.PersonID, fn func(chat.Conversation)) {
	conversation, err := c.session.Conversation(ctx, id)
	if err != nil {
		return
	}
	key := c.Key(id, conversation.Kind)
	unlock, err := c.d.portals.lock(ctx, key)
	if err != nil {
		return
	}
	defer unlock()
	room, err := c.connector.existing(ctx, key)
	if err != nil || room == nil || ctx.Err() != nil {
		return
	}
	if c.absence(room).Out() || conversation.Standing == chat.Invited && c.absence(room) == "" {
		return
	}
	if absences := ids.PortalMeta(room).Absences.All(); absences[ids.MakeLoginID(person)] == "" ||
		person != c.id && c.connector.isMember(ctx, room.MXID, c.connector.bridge.Matrix.GhostIntent(ids.MakeUserID(person)).GetMXID()) {
		fn(conversation)
	}
}

// ConversationChanged implements account.Observer.
func (c *consumer) ConversationChanged(ctx context.Context, conversation chat.Conversation) {
	ctx = c.login.Log.WithContext(ctx)
	c.live.do(string(conversation.ID), "shape", func() {
		if _, err := c.keepRoom(ctx, conversation.ID, false, follows); err != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Err(err).Str("conversation", string(conversation.ID)).Msg("Failed to bring a room up to date")
		}
		if conversation.Standing == chat.Left {
			c.handOver(ctx, c.Key(conversation.ID, conversation.Kind))
		}
	})
}

// PersonChanged implements account.Observer.
func (c *consumer) PersonChanged(ctx context.Context, person chat.Person) {
	ctx = c.login.Log.WithContext(ctx)
	c.live.do("person/"+string(person.ID), "info", func() {
		ghost, err := c.connector.bridge.GetExistingGhostByID(ctx, ids.MakeUserID(person.ID))
		if err != nil || ghost == nil || c.updateGhost(ctx, ghost, c.PersonInfo(person)) != nil {
			return
		}
		c.renameGroups(ctx, person.ID)
		if c.lacksAvatar(ctx, ghost, person) {
			c.loadAvatarLater(person)
		}
	})
}

// renameGroups brings the rooms up to date that are called after a person.
func (c *consumer) renameGroups(ctx context.Context, person chat.PersonID) {
	conversations, err := c.session.Conversations(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Err(err).Msg("Failed to look for rooms called after a person")
		return
	}
	for _, conversation := range conversations {
		if conversation.Kind == chat.Group && conversation.Name == "" && conversation.Has(person) {
			c.ConversationChanged(ctx, conversation)
		}
	}
}

// StateChanged implements account.Observer.
func (c *consumer) StateChanged(ctx context.Context, state chat.AccountState) {
	out, ok := bridgeState(state)
	if !ok {
		return
	}
	c.login.BridgeState.Send(out)
	c.live.do("state", "notice", func() { c.notices.tell(c.login.Log.WithContext(ctx), out) })
}
