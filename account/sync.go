package account

import (
	"context"
	"sync"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// pulse wakes everybody who waits for something to change.
type pulse struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that is closed at the next beat.
func (p *pulse) wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch == nil {
		p.ch = make(chan struct{})
	}
	return p.ch
}

func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ch != nil {
		close(p.ch)
		p.ch = nil
	}
}

// gates are the conversations in which an account's catch-up holds the others.
type gates struct {
	mu   sync.Mutex
	shut map[chat.ConversationID]map[chat.PersonID]time.Time // until when
}

func (g *gates) close(ids []chat.ConversationID, owner chat.PersonID, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(map[chat.ConversationID]map[chat.PersonID]time.Time)
	}
	for _, id := range ids {
		if g.shut[id] == nil {
			g.shut[id] = make(map[chat.PersonID]time.Time)
		}
		g.shut[id][owner] = until
	}
}

func (g *gates) open(ids []chat.ConversationID, owner chat.PersonID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		delete(g.shut[id], owner)
		if len(g.shut[id]) == 0 {
			delete(g.shut, id)
		}
	}
}

// shutFor reports whether events of a conversation that come through an account have to
// wait for another account's catch-up.
func (g *gates) shutFor(id chat.ConversationID, account chat.PersonID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for owner, until := range g.shut[id] {
		if owner != account && now.Before(until) {
			return true
		}
	}
	return false
}

// sleep waits for a duration; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
