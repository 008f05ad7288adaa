package crash

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
)

// ircTime is how IRC writes times.
const ircTime = "2006-01-02T15:04:05.000Z"

// source is somebody who writes.
type source struct {
	name   string
	share  int // of all messages, in percent
	where  []string
	hand   hand
	more   more   // nil: writes only
	moves  string // key of the person whom the source, and nobody else, adds and removes
	author string // key of the person
	matrix bool   // in Matrix
}

// bob is the index of his source.
const bob = 1

var (
	aliceInMatrix  = matrixHand{func(w *world) *mxclient.Client { return w.Alice }}
	carolInMatrix  = matrixHand{func(w *world) *mxclient.Client { return w.carol }}
	bobOnHangouts  = hangupsHand{controlHand{"bob"}}
	carolElsewhere = controlHand{"carol"}
)

// sources write at the same time. Texts begin with the source's name.
var sources = []source{
	{"mx", 30, []string{"direct", "trio", "team"}, aliceInMatrix, aliceInMatrix, "erin", "alice", true},
	{"bob", 20, []string{"direct", "trio", "team"}, bobOnHangouts, bobOnHangouts, "frank", "bob", false},
	{"carol", 20, []string{"trio", "team"}, carolElsewhere, carolElsewhere, "", "carol", false},
	{"irc", 15, []string{"direct", "trio", "team"}, ircHand{}, nil, "", "alice", false},
	{"carolmx", 15, []string{"trio", "team"}, carolInMatrix, carolInMatrix, "gina", "carol", true},
}

// perform does what an act says until it is accepted.
func (w *world) perform(src source, a act) (Message, error) {
	m := Message{Text: a.what(src)}
	switch a.deed {
	case shows:
		return m, src.more.show(w, a, w.draw(a))
	case renames:
		return m, src.more.rename(w, a.conversation, m.Text)
	case moves:
		return m, src.more.move(w, a.conversation, src, a.in)
	}
	return src.hand.say(w, a.conversation, a.text)
}

// streams are all sources at work.
type streams struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

// start lets all sources write, together at least so many messages, until the faults are over.
func (w *world) start(messages int, lasting time.Duration) *streams {
	s := &streams{}
	for _, src := range sources {
		script := newScript(w.seed, src, w.rates)
		count := max(1, messages*src.share/100)
		s.wg.Go(func() {
			if err := w.write(script, count, lasting/time.Duration(count)); err != nil {
				s.mu.Lock()
				s.errs = append(s.errs, err)
				s.mu.Unlock()
			}
		})
	}
	return s
}

// wait waits for the sources' ends.
func (s *streams) wait() error {
	s.wg.Wait()
	return errors.Join(s.errs...)
}

// write is one source's stream. Some acts follow each other at once.
func (w *world) write(script *script, count int, pause time.Duration) error {
	random := rand.New(rand.NewPCG(w.seed, uint64(200+len(script.src.name))))
	for n, burst := 0, 0; n < count || !w.faulted.Load(); n++ {
		if err := w.one(script.src, script.next()); err != nil {
			return err
		}
		if burst--; burst > 0 {
			continue
		}
		if random.IntN(12) == 0 {
			burst = 1 + random.IntN(6)
		}
		time.Sleep(time.Duration(random.Int64N(int64(2*pause) + 1)))
	}
	return nil
}

// one does something and notes that it is accepted.
func (w *world) one(src source, a act) error {
	w.pens[src.name].RLock()
	defer w.pens[src.name].RUnlock()
	m, err := w.perform(src, a)
	if err != nil {
		return err
	}
	w.note("accepted %s: %s (optional %v)", a.conversation, m.Text, m.Optional)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[a.deed]++
	if w.said[src.name] == nil {
		w.said[src.name] = map[string][]Message{}
	}
	w.said[src.name][a.conversation] = append(w.said[src.name][a.conversation], m)
	return nil
}

// closing has every source write once more everywhere, and show a picture, when no more faults come.
func (w *world) closing() error {
	for _, src := range sources {
		if src.more != nil && w.rates.pictures > 0 {
			if err := w.one(src, act{deed: shows, conversation: src.where[0], text: src.name + " end", size: 2000}); err != nil {
				return err
			}
		}
		for _, conversation := range src.where {
			if err := w.one(src, act{conversation: conversation, text: src.name + " end"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// read observes all watermarks until ctx ends, and moves them until the end begins.
func (w *world) read(ctx context.Context) {
	random := rand.New(rand.NewPCG(w.seed, 100))
	observe := time.NewTicker(200 * time.Millisecond)
	defer observe.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
			return
		case <-observe.C:
		}
		w.observe(ctx)
		if n%4 != 0 || w.ending.Load() {
			continue
		}
		c := conversations[random.IntN(len(conversations))]
		switch random.IntN(4) {
		case 0:
			_ = w.hangouts.Control(ctx, "watermark", map[string]any{"as": "bob", "conversation": c.key}, nil)
		case 1:
			if c.key != "direct" {
				_ = w.hangouts.Control(ctx, "watermark", map[string]any{"as": "carol", "conversation": c.key}, nil)
			}
		case 2:
			if timeline := w.Alice.Timeline(w.rooms[c.key]); len(timeline) > 0 {
				_ = w.Alice.Matrix.MarkRead(ctx, w.rooms[c.key], timeline[len(timeline)-1].ID)
			}
		case 3:
			if at := w.lastOnIRC(c.irc); at > 0 {
				w.markOnIRC(c.irc, at)
			}
		}
	}
}

// markOnIRC has Alice's IRC client say up to when (ms) she has read.
func (w *world) markOnIRC(target string, ms int64) {
	w.note("irc: marks %s read up to %d", target, ms)
	w.irc.Send("MARKREAD " + target + " timestamp=" + time.UnixMilli(ms).UTC().Format(ircTime))
}

// lastOnIRC is the time (ms) of the latest message that IRC has in a conversation.
func (w *world) lastOnIRC(target string) (last int64) {
	for _, l := range w.irc.Messages() {
		own := l.Param(0)
		if own != target && target[0] != '#' && own[0] != '#' {
			own = target // Bob's lines to Alice
		}
		if at, err := time.Parse(ircTime, l.Tags["time"]); err == nil && own == target {
			last = max(last, at.UnixMilli())
		}
	}
	return last
}

// watermark is up to when (ms) a person has read a conversation on Hangouts.
func (w *world) watermark(key, person string) int64 {
	list, err := w.hangouts.Conversations(w.ctx)
	require.NoError(w.t, err)
	for _, c := range list {
		for _, m := range c.Members {
			if c.Key == key && m.GaiaID == w.gaia[person] {
				return int64(m.ReadUS / 1000)
			}
		}
	}
	return 0
}

// toldMarker is the read marker (ms) that IRC was told last.
func (w *world) toldMarker(key string) (last int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.ircMarks {
		if m.Subject == key {
			last = m.Value
		}
	}
	return last
}

// observe notes where the watermarks are.
func (w *world) observe(ctx context.Context) {
	list, err := w.hangouts.Conversations(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		for _, c := range list {
			for _, m := range c.Members {
				w.marks["on Hangouts"] = append(w.marks["on Hangouts"], Mark{c.Key + "/" + m.GaiaID, int64(m.ReadUS)})
			}
		}
	}
	for key, room := range w.rooms {
		position := map[string]int64{}
		for i, e := range w.Alice.Timeline(room) {
			position[string(e.ID)] = int64(i + 1)
		}
		for _, person := range []string{"bob", "carol", "dave"} {
			if at := position[string(w.Alice.Receipt(room, w.inMatrix(w.gaia[person])))]; at > 0 {
				w.marks["in Matrix"] = append(w.marks["in Matrix"], Mark{key + "/" + person, at})
			}
		}
	}
}
