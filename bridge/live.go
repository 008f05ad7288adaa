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
		go l.work(subject)
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

// typingAge is how old a typing state may be when its turn comes.
const typingAge = 10 * time.Second

// Typing implements account.Observer.
func (c *consumer) Typing(ctx context.Context, typing chat.Typing) {
	if typing.Origin.Side == chat.OriginMatrix || typing.Person == c.id {
		return
	}
	came := time.Now()
	c.live.do(string(typing.Conversation), "typing/"+string(typing.Person), func() {
		if ctx.Err() == nil && time.Since(came) < typingAge {
			c.inRoom(ctx, typing.Conversation, func(conversation chat.Conversation) {
				c.login.QueueRemoteEvent(c.RemoteTyping(typing, conversation))
			})
		}
	})
}

// Watermark implements account.Observer.
func (c *consumer) Watermark(ctx context.Context, mark chat.Watermark) {
	if mark.Origin.Side == chat.OriginMatrix && mark.Person == c.id {
		return
	}
	c.live.do(string(mark.Conversation), "read/"+string(mark.Person), func() {
		if ctx.Err() == nil {
			c.inRoom(ctx, mark.Conversation, func(conversation chat.Conversation) {
				c.login.QueueRemoteEvent(c.RemoteReceipt(mark, conversation))
			})
		}
	})
}

// inRoom runs fn if a conversation has a room.
func (c *consumer) inRoom(ctx context.Context, id chat.ConversationID, fn func(chat.Conversation)) {
	conversation, err := c.session.Conversation(ctx, id)
	if err != nil {
		return
	}
	room, err := c.connector.bridge.GetExistingPortalByKey(ctx, c.Key(id, conversation.Kind))
	if err == nil && room != nil && room.MXID != "" {
		fn(conversation)
	}
}

// ConversationChanged implements account.Observer.
func (c *consumer) ConversationChanged(ctx context.Context, conversation chat.Conversation) {
	ctx = c.login.Log.WithContext(ctx)
	c.live.do(string(conversation.ID), "shape", func() {
		if err := c.refresh(ctx, conversation); err != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Err(err).Str("conversation", string(conversation.ID)).Msg("Failed to bring a room up to date")
		}
	})
}

// PersonChanged implements account.Observer.
func (c *consumer) PersonChanged(ctx context.Context, person chat.Person) {
	ctx = c.login.Log.WithContext(ctx)
	c.live.do("person/"+string(person.ID), "info", func() {
		unlock, err := c.d.lockProfiles(ctx)
		if err != nil {
			return
		}
		defer unlock()
		ghost, err := c.connector.bridge.GetExistingGhostByID(ctx, ids.MakeUserID(person.ID))
		if err == nil && ghost != nil && ctx.Err() == nil {
			ghost.UpdateInfo(ctx, c.PersonInfo(person))
		}
	})
}

// StateChanged implements account.Observer.
func (c *consumer) StateChanged(_ context.Context, state chat.AccountState) {
	out, ok := bridgeState(state)
	if !ok {
		return
	}
	c.login.BridgeState.Send(out)
}
