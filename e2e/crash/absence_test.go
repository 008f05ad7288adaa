package crash

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

// period is a time in which an account had no login in Matrix.
type period struct {
	account  string // key of the person
	from, to int64  // ms
}

// slack is how long before and after it an account's messages may be shown as by a ghost: what was said before may be delivered in it.
const slack = 30 * time.Second

// byGhost reports whether a message of a person at a time (ms) may be shown as by the person's ghost; mu is held.
func (w *world) byGhost(gaia string, at int64) bool {
	return slices.ContainsFunc(w.absences, func(p period) bool {
		return w.gaia[p.account] == gaia && at >= p.from-slack.Milliseconds() && at <= p.to+slack.Milliseconds()
	})
}

// absence takes an account from the side on which a source writes, has the others go on, and gives it back: Alice or Carol logs out of
// Matrix, or the IRC user loses the grant. The source pauses. In one case of three the bridge is killed meanwhile, in another just after.
func (w *world) absence(s step, name string) {
	src, user := sources[slices.IndexFunc(sources, func(src source) bool { return src.name == name })], w.Alice
	if src.author == "carol" {
		user = w.carol
	}
	account := w.accounts[src.author]
	w.pens[name].Lock()
	defer w.pens[name].Unlock()
	w.arrived(name)
	w.up()
	out := period{account: src.author, from: time.Now().UnixMilli()}
	if src.matrix {
		w.LogOut(user, account)
	} else {
		revoke := func() {
			require.NoError(w.t, stage.Exec(w.Database(), "DELETE FROM account_grant WHERE side='irc' AND account=$1", account.GaiaID))
		}
		revoke()
		w.insist("IRC to be disconnected", func() bool { return !w.irc.Connected() }, revoke)
	}
	w.note("%s is out", name)
	w.awaitEvents(6*time.Second, src.where)
	if s.b%3 == 0 {
		w.counts["kill bridge while an account is out"]++
		w.kill(s, w.Bridge)
		w.up()
	}
	if src.matrix {
		w.LogIn(user, account)
	} else {
		w.GrantIRC(account)
	}
	if s.b%3 == 1 {
		w.counts["kill bridge when an account is back"]++
		time.Sleep(ms(s.b>>8, 1500))
		w.kill(s, w.Bridge)
	}
	out.to = time.Now().UnixMilli()
	if src.matrix {
		w.inside(user, src.where)
		w.mu.Lock()
		w.absences = append(w.absences, out)
		w.mu.Unlock()
	} else {
		w.insist("IRC to be connected", w.irc.Connected, func() { w.GrantIRC(account) })
	}
	w.backup = "" // a restored bridge does not repeat old commands; these are young
	w.note("%s is back", name)
}

// arrived waits until Hangouts has what a source has written.
func (w *world) arrived(name string) {
	w.await(time.Minute, name+"'s messages to be on Hangouts", func() bool {
		for _, c := range conversations {
			events, err := w.onHangouts(c.key)
			if err != nil {
				return false
			}
			there := map[string]bool{}
			for _, e := range events {
				there[e.Text] = true
			}
			w.mu.Lock()
			missing := slices.ContainsFunc(w.said[name][c.key], func(m Message) bool { return !m.Optional && !there[m.Text] })
			w.mu.Unlock()
			if missing {
				return false
			}
		}
		return true
	})
}

// awaitEvents waits a while until every one of some conversations has a new message on Hangouts.
func (w *world) awaitEvents(limit time.Duration, keys []string) {
	count := func(key string) int {
		events, err := w.hangouts.Events(w.ctx, key, 1)
		if err != nil {
			return 0
		}
		return len(events)
	}
	before := map[string]int{}
	for _, key := range keys {
		before[key] = count(key)
	}
	wait.Holds(limit, func() bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return count(key) <= before[key] })
	})
}

// inside waits until somebody is in the rooms of some conversations.
func (w *world) inside(user *mxclient.Client, keys []string) {
	for _, key := range keys {
		w.await(time.Minute, fmt.Sprintf("%s to be in %s", user.UserID(), key), func() bool { return slices.Contains(user.Rooms(), w.rooms[key]) })
	}
}

// insist waits for a condition, and now and then does again what leads to it: what is written into the database from outside is
// not synced, and a power failure takes it back.
func (w *world) insist(what string, cond func() bool, do func()) {
	last := time.Now()
	w.await(time.Minute, what, func() bool {
		if cond() {
			return true
		}
		if time.Since(last) > 8*time.Second {
			last = time.Now()
			do()
		}
		return false
	})
}

// await waits for a condition; a problem if it does not come.
func (w *world) await(limit time.Duration, what string, cond func() bool) {
	if !wait.Holds(limit, cond) {
		w.found(Problem{Kind: Outside, Where: "after " + limit.String(), What: what})
	}
}
