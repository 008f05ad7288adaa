package account

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// sink is a link as one login's connection sees it.
type sink struct {
	l          *link
	generation int64
}

// Subscribed implements Sink.
func (k *sink) Subscribed() { k.l.post(subscribed{k.generation}) }

// Lost implements Sink.
func (k *sink) Lost() { k.l.post(lost{k.generation}) }

// Push implements Sink. Typing is not logged, so it waits for nothing: its ten seconds count
// from here.
func (k *sink) Push(ctx context.Context, update Update) error {
	if len(update.Typing) > 0 {
		k.l.post(typed{k.generation, update.Typing})
	}
	if update.Typing = nil; update.empty() {
		k.l.post(alive{})
		return nil
	}
	select {
	case k.l.writing <- struct{}{}:
		k.l.post(pushed{k.generation, update})
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-k.l.s.ctx.Done():
		return k.l.s.ctx.Err()
	}
}

// Alive implements Sink. A sign that comes while the owner is busy is dropped: there will be more.
func (k *sink) Alive() {
	select {
	case k.l.inputs <- alive{}:
	default:
	}
}

// Credentials implements Sink.
func (k *sink) Credentials(stored []byte) { k.l.post(&credentials{k.generation, stored}) }

// intake is the part of a link that decides when a pushed update is logged: at once, or after
// the account's catch-up.
type intake struct {
	keep    bool   // keep updates aside
	live    bool   // pushes flow
	epoch   int    // grows whenever pushes may have got lost
	pushes  int    // counts updates
	aside   []kept // in order
	dropped bool   // aside was full: one more catch-up is needed
	failed  *int   // the first update since aside was empty that could not be logged, 0 if none; the writer's
}

// kept is a pushed update with its place in the order of all.
type kept struct {
	number int
	update Update
}

// channel notes that pushes begin or have stopped. Either way something may be missing
// that only a catch-up begun later brings.
func (l *link) channel(live bool) {
	l.keep, l.live = true, live
	l.epoch++
	if !live {
		l.down = time.Now()
	}
}

// pushed is an update that belongs into the log.
type pushed struct {
	generation int64
	update     Update
}

func (e pushed) take(l *link) {
	if e.generation != l.generation {
		<-l.writing
		return // the new connection's catch-up brings it
	}
	l.last = time.Now()
	l.pushes++
	if k := (kept{l.pushes, e.update}); !l.keep {
		l.log(k)
	} else {
		<-l.writing
		l.setAside(k)
	}
}

func (l *link) setAside(k kept) {
	if len(l.aside) >= l.s.m.options.Aside {
		l.dropped = true
		return
	}
	n, _ := slices.BinarySearchFunc(l.aside, k.number, func(k kept, number int) int { return cmp.Compare(k.number, number) })
	l.aside = slices.Insert(l.aside, n, k)
}

// errOutdated: an update before this one could not be logged.
var errOutdated = errors.New("an earlier update is not logged yet")

// log hands an update to the writer. One that cannot be logged takes those behind it with it.
func (l *link) log(k kept) {
	c, failed := newCommitment(l.s, k.update, commitOptions{live: true}), l.failed
	l.s.m.db.WriteLater(l.s.ctx, func(ctx context.Context) error {
		if *failed != 0 && *failed < k.number {
			return errOutdated
		}
		err := c.write(ctx)
		if *failed = 0; err != nil {
			*failed = k.number // those behind it may share the transaction
		}
		return err
	}, func(err error) {
		<-l.writing
		if err = c.done(err); err == nil {
			return
		}
		if *failed == 0 {
			*failed = k.number
		}
		l.post(unlogged{k, err})
	})
}

// unlogged: an update could not be logged. It is kept aside until a catch-up has found out more
// about its conversation, or until the database takes it.
type unlogged struct {
	kept
	err error
}

func (e unlogged) take(l *link) {
	l.keep = true
	l.setAside(e.kept)
	l.soon()
	if errors.Is(e.err, errOutdated) {
		return
	}
	l.epoch++
	if !errors.Is(e.err, errUnknown) {
		l.s.zlog.Err(e.err).Msg("Failed to log a live update")
		if !l.isBad() {
			l.setState(chat.Connecting, "an update could not be stored")
		}
	}
}
