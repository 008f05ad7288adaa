package account

import (
	"context"
	"errors"
	"sync"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// sink is the session as one login's connection sees it.
type sink struct {
	s          *session
	generation int64
}

// stale reports whether a later login has replaced the connection.
func (k *sink) stale() bool {
	_, generation := k.s.connection()
	return generation != k.generation
}

// Subscribed implements Sink: from here on pushes are kept aside until a catch-up has
// brought what came before them. That makes the account connected.
func (k *sink) Subscribed() {
	k.s.watch.alive()
	if k.s.channelUp(k.generation) {
		k.s.catchup.trigger()
	}
}

// Lost implements Sink: answers to requests must not overtake what was not pushed.
func (k *sink) Lost() {
	k.s.channelDown(k.generation, chat.Connecting, "the push channel broke")
}

// Push implements Sink. Typing is not logged, so it waits for nothing: its ten seconds count
// from here.
func (k *sink) Push(ctx context.Context, update Update) error {
	k.s.watch.alive()
	if k.stale() {
		return nil // the new connection's catch-up brings it
	}
	k.s.typing.heard(update.Typing)
	if update.Typing = nil; update.empty() {
		return nil
	}
	return k.s.intake.push(ctx, update)
}

// Alive implements Sink.
func (k *sink) Alive() { k.s.watch.alive() }

// Credentials implements Sink.
func (k *sink) Credentials(stored []byte) {
	k.s.watch.keep(k.generation, stored)
}

// intake decides when a live update is logged: at once, or after the account's catch-up.
type intake struct {
	s *session

	mu      sync.Mutex
	keep    bool          // keep updates aside
	live    bool          // pushes flow
	epoch   int           // grows whenever pushes may have got lost
	aside   []Update      // in order
	dropped bool          // aside was full: one more catch-up is needed
	writing chan struct{} // one for each live update that is being logged
}

// maxWriting is how many live updates wait for the database before the channel does.
const maxWriting = 64

func (in *intake) init(s *session) {
	in.s, in.keep, in.writing = s, true, make(chan struct{}, maxWriting)
}

// channel notes that pushes begin or have stopped. Either way something may be missing
// that only a catch-up begun later brings.
func (in *intake) channel(live bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.keep, in.live = true, live
	in.epoch++
}

// begin keeps updates aside for a catch-up; release takes what it returns.
func (in *intake) begin() (epoch int, live bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.keep = true
	return in.epoch, in.live
}

// state tells which epoch it is and whether pushes flow.
func (in *intake) state() (epoch int, live bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.epoch, in.live
}

// push logs one live update from the channel, unless it has to be kept aside.
func (in *intake) push(ctx context.Context, update Update) error {
	in.mu.Lock()
	if in.keep {
		if len(in.aside) < in.s.m.options.Aside {
			in.aside = append(in.aside, update)
		} else {
			in.dropped = true
		}
		in.mu.Unlock()
		return nil
	}
	epoch := in.epoch
	in.mu.Unlock()
	return in.log(ctx, update, epoch)
}

// log hands a live update to the writer and returns when it is on its way. One that cannot be
// stored takes those behind it with it: the next catch-up brings them, in order.
func (in *intake) log(ctx context.Context, update Update, epoch int) error {
	update, err := in.s.completeUnknown(ctx, update)
	if err != nil {
		return err
	}
	select {
	case in.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	c := newCommitment(in.s.m, in.s, update, commitOptions{})
	in.s.m.db.WriteLater(in.s.ctx, func(ctx context.Context) error {
		err := in.current(epoch)
		if err == nil {
			if err = c.write(ctx); err != nil {
				in.missed(epoch)
			}
		}
		return err
	}, func(err error) {
		err = c.done(err)
		<-in.writing
		if err != nil && !errors.Is(err, errOutdated) && in.s.ctx.Err() == nil {
			in.s.zlog.Err(err).Msg("Failed to log a live update")
			in.missed(epoch)
		}
	})
	return nil
}

// errOutdated: a catch-up brings the update.
var errOutdated = errors.New("pushes were lost before this update")

// current refuses live updates of an earlier epoch.
func (in *intake) current(epoch int) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.epoch != epoch {
		return errOutdated
	}
	return nil
}

// missed gives up the channel whose update could not be logged; the next channel's catch-up
// brings it. Until then updates are kept aside.
func (in *intake) missed(epoch int) {
	in.mu.Lock()
	first := in.epoch == epoch
	if first {
		in.keep = true
		in.epoch++
	}
	in.mu.Unlock()
	if first {
		in.s.reconnect("an update could not be stored")
	}
}

// anyEpoch makes release let through what is there whatever may be missing.
const anyEpoch = -1

// release logs what was kept aside since begin and, while the channel is up, lets live
// updates through again. When pushes got lost since begin, nothing is let through. again
// means that another catch-up has to come first, for that reason or because some updates had
// to be dropped.
func (in *intake) release(ctx context.Context, epoch int) (again bool, err error) {
	for {
		in.mu.Lock()
		if epoch != anyEpoch && epoch != in.epoch {
			in.mu.Unlock()
			return true, nil
		}
		if len(in.aside) == 0 {
			again, in.dropped = in.dropped, false
			in.keep = !in.live || again
			in.mu.Unlock()
			return again, nil
		}
		now := in.aside[0]
		in.aside = in.aside[1:]
		in.mu.Unlock()
		if err = in.s.m.commit(ctx, in.s, now, commitOptions{}); err != nil {
			in.mu.Lock()
			in.dropped = true // not lost: the next catch-up brings it
			in.mu.Unlock()
			return true, err
		}
	}
}
