package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// ircTime is how IRC writes times.
const ircTime = "2006-01-02T15:04:05.000Z"

// source is somebody who writes.
type source struct {
	name   string
	share  int // of all messages, in percent
	where  []string
	say    func(w *world, conversation, text string) (Message, error)
	author string // key of the person
	matrix bool   // in Matrix
}

// bob is the index of his source.
const bob = 1

// sources write at the same time. Texts begin with the source's name.
var sources = []source{
	{"mx", 30, []string{"direct", "trio", "team"}, sayMatrix(func(w *world) *mxclient.Client { return w.Alice }), "alice", true},
	{"bob", 20, []string{"direct", "trio", "team"}, (*world).sayHangups, "bob", false},
	{"carol", 20, []string{"trio", "team"}, (*world).sayControl, "carol", false},
	{"irc", 15, []string{"direct", "trio", "team"}, (*world).sayIRC, "alice", false},
	{"carolmx", 15, []string{"trio", "team"}, sayMatrix(func(w *world) *mxclient.Client { return w.carol }), "carol", true},
}

// sayMatrix writes as somebody in Matrix, with one transaction id until it is accepted.
func sayMatrix(as func(*world) *mxclient.Client) func(*world, string, string) (Message, error) {
	return func(w *world, conversation, text string) (Message, error) {
		_, err := as(w).SendTextRetry(w.ctx, w.rooms[conversation], text, "txn "+text)
		return Message{Text: text}, err
	}
}

// sayHangups writes as Bob with hangups. A request without an answer is repeated only if the server does not have it.
func (w *world) sayHangups(conversation, text string) (Message, error) {
	return w.sayOnce(conversation, text, func() error {
		_, err := w.bob.Send(w.ctx, w.ids[conversation], text)
		return err
	})
}

// sayControl writes as Carol through the server's control interface.
func (w *world) sayControl(conversation, text string) (Message, error) {
	return w.sayOnce(conversation, text, func() error {
		return w.hangouts.Control(w.ctx, "send", map[string]any{"as": "carol", "conversation": conversation, "text": text}, nil)
	})
}

func (w *world) sayOnce(conversation, text string, send func() error) (Message, error) {
	for {
		err := send()
		if err == nil {
			return Message{Text: text}, nil
		}
		for w.ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			events, eventsErr := w.hangouts.Events(w.ctx, conversation, 0)
			if eventsErr != nil {
				continue
			}
			for _, e := range events {
				if e.Text == text {
					return Message{Text: text}, nil
				}
			}
			break
		}
		if w.ctx.Err() != nil {
			return Message{}, fmt.Errorf("write %q: %w", text, err)
		}
	}
}

// sayIRC writes as Alice on IRC. What is not confirmed is not repeated: IRC has no transaction ids.
func (w *world) sayIRC(conversation, text string) (Message, error) {
	target := ""
	for _, c := range conversations {
		if c.key == conversation {
			target = c.irc
		}
	}
	for {
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		err := w.irc.Say(ctx, target, text)
		cancel()
		switch {
		case err == nil:
			return Message{Text: text}, nil
		case errors.Is(err, stage.ErrUnconfirmed):
			return Message{Text: text, Optional: true}, nil
		case w.ctx.Err() != nil:
			return Message{}, fmt.Errorf("write %q: %w", text, err)
		}
		w.note("irc: %q: %v", text, err)
		time.Sleep(200 * time.Millisecond)
	}
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
	for n, src := range sources {
		random := rand.New(rand.NewPCG(w.seed, uint64(n+1)))
		count := max(1, messages*src.share/100)
		s.wg.Go(func() {
			if err := w.write(src, random, count, lasting/time.Duration(count)); err != nil {
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

// write is one source's stream. Some messages follow each other at once.
func (w *world) write(src source, random *rand.Rand, count int, pause time.Duration) error {
	for n, burst := 0, 0; n < count || !w.faulted.Load(); n++ {
		if err := w.one(src, src.where[random.IntN(len(src.where))], fmt.Sprintf("%s %05d", src.name, n)); err != nil {
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

// one writes a message and notes that it is accepted.
func (w *world) one(src source, conversation, text string) error {
	w.pens[src.name].RLock()
	defer w.pens[src.name].RUnlock()
	m, err := src.say(w, conversation, text)
	if err != nil {
		return err
	}
	w.note("accepted %s: %s (optional %v)", conversation, text, m.Optional)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said[src.name] == nil {
		w.said[src.name] = map[string][]Message{}
	}
	w.said[src.name][conversation] = append(w.said[src.name][conversation], m)
	return nil
}

// closing has every source write once more everywhere, when no more faults come.
func (w *world) closing() error {
	for _, src := range sources {
		for _, conversation := range src.where {
			if err := w.one(src, conversation, src.name+" end"); err != nil {
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
