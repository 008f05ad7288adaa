package homeserver

import (
	"context"
	"slices"
	"sync"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/id"
)

// typingEcho is how much later than a puppet's typing the homeserver may still report it.
const typingEcho = 10 * time.Second

// puppetTyping is who types in Matrix only because we said so: a double puppet whose
// person types elsewhere. The homeserver reports it as if it had been done in Matrix,
// without a marker, so it is taken out of the homeserver's reports.
type puppetTyping struct {
	mu    sync.Mutex
	rooms map[id.RoomID]map[id.UserID]*puppetTyper
}

type puppetTyper struct {
	until  time.Time // nothing comes of it any more
	ended  bool
	echoed bool // the homeserver has reported it
}

func newPuppetTyping() *puppetTyping {
	return &puppetTyping{rooms: map[id.RoomID]map[id.UserID]*puppetTyper{}}
}

// begin notes that a puppet is shown as typing for a while.
func (p *puppetTyping) begin(room id.RoomID, user id.UserID, lasts time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rooms[room] == nil {
		p.rooms[room] = map[id.UserID]*puppetTyper{}
	}
	typer := p.rooms[room][user]
	if typer == nil {
		typer = &puppetTyper{}
		p.rooms[room][user] = typer
	}
	typer.until, typer.ended = time.Now().Add(lasts+typingEcho), false
}

// end notes that a puppet's typing is ended; false if there is none to be ended.
func (p *puppetTyping) end(room id.RoomID, user id.UserID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	typer := p.rooms[room][user]
	if typer == nil || typer.ended {
		return false
	}
	typer.until, typer.ended = time.Now().Add(typingEcho), true
	return true
}

// strip takes the puppets out of what the homeserver says about who types in a room.
func (p *puppetTyping) strip(room id.RoomID, users []id.UserID) []id.UserID {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for user, typer := range p.rooms[room] {
		shown := slices.Contains(users, user)
		if now.After(typer.until) || (typer.ended && typer.echoed && !shown) {
			delete(p.rooms[room], user)
			continue
		}
		typer.echoed = typer.echoed || shown
		users = slices.DeleteFunc(users, func(u id.UserID) bool { return u == user })
	}
	if len(p.rooms[room]) == 0 {
		delete(p.rooms, room)
	}
	return users
}

// MarkTyping shows, or with timeout 0 ends, a user's typing in a room. The framework does
// nothing of it for double puppets, since it cannot distinguish it from its echo.
func (i *Intent) MarkTyping(ctx context.Context, room id.RoomID, kind bridgev2.TypingType, timeout time.Duration) error {
	if !i.Matrix.IsCustomPuppet || kind != bridgev2.TypingTypeText {
		return i.ASIntent.MarkTyping(ctx, room, kind, timeout)
	}
	if timeout > 0 {
		i.c.typing.begin(room, i.GetMXID(), timeout)
	} else if !i.c.typing.end(room, i.GetMXID()) {
		return nil // what is typed in Matrix is not ours to end
	}
	_, err := i.Matrix.UserTyping(ctx, room, timeout > 0, timeout)
	return err
}
