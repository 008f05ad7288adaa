package database

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"
)

// maxShared is how many writes share one transaction at most.
const maxShared = 64

// errShared: the transaction that a write shared with others failed as a whole.
var errShared = errors.New("shared transaction failed")

// writer carries out the writes of all goroutines, one after the other, in the order in which
// they came. Whatever waits shares one transaction. Its goroutine lives while there is work.
type writer struct {
	db *DB

	mu      sync.Mutex
	waiting []*write
	running bool
}

// write is one job of the writer.
type write struct {
	ctx  context.Context
	fn   func(ctx context.Context) error
	done func(err error)
	err  error
}

// Write runs fn in a transaction that other writes may share, and returns when it is
// committed. A failing fn undoes its own changes only. fn may run a second time, by itself,
// when the shared transaction fails; it must not wait for another write. Within a transaction
// of ctx, fn is part of that.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context) error) error {
	if db.inTxn(ctx) {
		return fn(ctx)
	}
	return db.WriteAndPublish(ctx, fn, func(err error) error { return err })
}

// WriteAndPublish is Write for what must be published in the order of the database: publish
// gets the result as WriteLater's done does, and what it returns is returned. ctx must not
// carry a transaction.
func (db *DB) WriteAndPublish(ctx context.Context, fn func(ctx context.Context) error, publish func(error) error) error {
	result := make(chan error, 1)
	db.WriteLater(ctx, fn, func(err error) { result <- publish(err) })
	return <-result
}

// WriteLater is Write without waiting. done is called with the result by the writer's
// goroutine, in the order of the writes and before the next transaction begins: what it
// publishes is published in the order of the database. It must not block.
func (db *DB) WriteLater(ctx context.Context, fn func(ctx context.Context) error, done func(error)) {
	w := db.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, &write{ctx: ctx, fn: fn, done: done})
	if !w.running {
		w.running = true
		go w.run()
	}
}

func (w *writer) run() {
	for {
		w.mu.Lock()
		n := min(len(w.waiting), maxShared)
		if n == 0 {
			w.waiting, w.running = nil, false
			w.mu.Unlock()
			return
		}
		jobs := w.waiting[:n:n]
		w.waiting = w.waiting[n:]
		w.mu.Unlock()
		shared := len(jobs) > 1 && w.share(jobs) == nil
		for _, job := range jobs {
			if !shared {
				w.alone(job)
			}
			job.done(job.err)
		}
	}
}

// alone carries out one job in a transaction of its own.
func (w *writer) alone(job *write) {
	if job.err = job.ctx.Err(); job.err == nil {
		job.err = w.db.Txn(context.WithoutCancel(job.ctx), job.fn)
	}
}

// share carries out jobs in one transaction. After an error nothing of it is done.
func (w *writer) share(jobs []*write) error {
	ctx := context.WithoutCancel(jobs[0].ctx)
	return w.db.Txn(ctx, func(txn context.Context) error {
		for _, job := range jobs {
			if job.err = job.ctx.Err(); job.err != nil {
				continue
			}
			if err := w.savepoint(zerolog.Ctx(job.ctx).WithContext(txn), job); err != nil {
				return err
			}
		}
		return nil
	})
}

// savepoint carries out one job of a shared transaction; an error is that of the transaction.
func (w *writer) savepoint(txn context.Context, job *write) error {
	if _, err := w.db.Exec(txn, "SAVEPOINT job"); err != nil {
		return fmt.Errorf("%w: %w", errShared, err)
	}
	if job.err = job.fn(txn); job.err != nil {
		if _, err := w.db.Exec(txn, "ROLLBACK TO SAVEPOINT job"); err != nil {
			return fmt.Errorf("%w: %w", errShared, err)
		}
	}
	if _, err := w.db.Exec(txn, "RELEASE SAVEPOINT job"); err != nil {
		return fmt.Errorf("%w: %w", errShared, err)
	}
	return nil
}

// inTxn reports whether ctx carries a transaction.
func (db *DB) inTxn(ctx context.Context) bool {
	_, ok := db.Execable(ctx).(dbutil.Transaction)
	return ok
}
