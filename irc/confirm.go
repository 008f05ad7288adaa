package irc

import (
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// confirmEvery is how often at most a client is asked to confirm lines while they flow: clients
// count each PONG against the rate at which they may write.
const confirmEvery = 10 * time.Second

// confirmation is what a client has been shown, and what of it it has not confirmed. At most one
// PING is in flight for it; the PONG confirms all lines before that.
type confirmation struct {
	shown   map[chat.ConversationID]int64 // the last seq of each conversation
	open    map[chat.ConversationID]int64 // of that, what no PING follows yet
	asked   map[chat.ConversationID]int64 // what the PING in flight asks for; nil without one
	then    []func()                      // what waits for the open lines to be confirmed
	last    time.Time                     // when the latest PING was sent
	waiting bool                          // for the next one's time
}

func newConfirmation() confirmation {
	return confirmation{shown: make(map[chat.ConversationID]int64), open: make(map[chat.ConversationID]int64)}
}

// showed notes that the client has been shown a conversation up to a seq, with or without lines.
// then, if any, is called when it has confirmed that, and has it asked as soon as possible.
func (s *session) showed(id chat.ConversationID, seq int64, lines bool, then func()) {
	k := &s.confirmation
	k.shown[id] = max(k.shown[id], seq)
	_, open := k.open[id]
	_, asked := k.asked[id]
	if !lines && !open && !asked && then == nil {
		s.client.confirm(map[chat.ConversationID]int64{id: seq})
		return
	}
	k.open[id] = k.shown[id]
	if then != nil {
		k.then = append(k.then, then)
	}
	s.askToConfirm()
}

// askToConfirm sends the PING that is due.
func (s *session) askToConfirm() {
	k := &s.confirmation
	if k.asked != nil || len(k.open) == 0 {
		return
	}
	if pause := s.g.confirm - s.g.now().Sub(k.last); pause > 0 && len(k.then) == 0 {
		if !k.waiting {
			k.waiting = true
			time.AfterFunc(pause, func() {
				s.tryPost(func() {
					k.waiting = false
					s.askToConfirm()
				})
			})
		}
		return
	}
	positions, then := k.open, k.then
	k.asked, k.then, k.last = positions, nil, s.g.now()
	k.open = make(map[chat.ConversationID]int64)
	s.sendPing(func() {
		s.client.confirm(positions)
		for _, fn := range then {
			fn()
		}
		s.tryPost(func() {
			k.asked = nil
			s.askToConfirm()
		})
	})
}
