package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// pen writes numbers through the writer and notes what happens, in order.
type pen struct {
	t      *testing.T
	db     *DB
	events []string // by the writer's goroutine only
	block  chan struct{}
	last   chan struct{}
}

// newPen keeps the writer busy, so that what is written next shares transactions.
func newPen(t *testing.T) *pen {
	p := &pen{t: t, db: open(t), block: make(chan struct{}), last: make(chan struct{})}
	_, err := p.db.Exec(t.Context(), `CREATE TABLE written (n INTEGER NOT NULL)`)
	require.NoError(t, err)
	begun := make(chan struct{})
	p.db.WriteLater(t.Context(), func(context.Context) error {
		close(begun)
		<-p.block
		return nil
	}, func(error) {})
	<-begun
	return p
}

// write inserts n, then does what else does.
func (p *pen) write(ctx context.Context, n int, others ...func(context.Context) error) {
	p.db.WriteLater(ctx, func(ctx context.Context) error {
		p.events = append(p.events, fmt.Sprint("write ", n))
		_, err := p.db.Exec(ctx, `INSERT INTO written (n) VALUES ($1)`, n)
		for _, other := range others {
			err = errors.Join(err, other(ctx))
		}
		return err
	}, func(err error) {
		outcome := "done"
		if err != nil {
			outcome = "failed"
		}
		p.events = append(p.events, fmt.Sprint(outcome, " ", n))
	})
}

// finish lets the writer go on until everything is written, and returns the numbers.
func (p *pen) finish() []int {
	p.db.WriteLater(p.t.Context(), func(context.Context) error { return nil }, func(error) { close(p.last) })
	close(p.block)
	<-p.last
	rows, err := p.db.Query(p.t.Context(), `SELECT n FROM written ORDER BY rowid`)
	require.NoError(p.t, err)
	defer rows.Close()
	var numbers []int
	for rows.Next() {
		var n int
		require.NoError(p.t, rows.Scan(&n))
		numbers = append(numbers, n)
	}
	require.NoError(p.t, rows.Err())
	return numbers
}

// A write that fails undoes its own changes only. The others in its transaction are not repeated.
func TestAFailedWriteUndoesOnlyItself(t *testing.T) {
	p := newPen(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p.write(t.Context(), 1)
	p.write(t.Context(), 2, func(context.Context) error { return errors.New("refused by the test") })
	p.write(t.Context(), 3)
	p.write(ended, 4)
	p.write(t.Context(), 5)
	require.Equal(t, []int{1, 3, 5}, p.finish())
	require.Equal(t, []string{"write 1", "write 2", "write 3", "write 5", "done 1", "failed 2", "done 3", "failed 4", "done 5"}, p.events)
}

// When the shared transaction fails as a whole, each write is tried by itself.
func TestWritesOfAFailedTransactionAreTriedAlone(t *testing.T) {
	p := newPen(t)
	p.write(t.Context(), 1)
	p.write(t.Context(), 2, func(ctx context.Context) error {
		_, err := p.db.Exec(ctx, `RELEASE SAVEPOINT job`) // which the writer misses afterwards
		return err
	})
	p.write(t.Context(), 3)
	require.Equal(t, []int{1, 3}, p.finish())
	require.Equal(t, []string{"done 1", "failed 2", "done 3"}, slices.DeleteFunc(p.events, func(e string) bool { return e[0] == 'w' }))
}

// Writes keep their order, and the results of one transaction are published in that order
// before the next one begins.
func TestWritesArePublishedInOrder(t *testing.T) {
	p := newPen(t)
	var numbers []int
	var events []string
	for first := 0; first < 3*maxShared; first += maxShared {
		for n := range maxShared {
			events = append(events, fmt.Sprint("write ", first+n))
		}
		for n := range maxShared {
			numbers = append(numbers, first+n)
			events = append(events, fmt.Sprint("done ", first+n))
		}
	}
	for n := range 3 * maxShared {
		p.write(t.Context(), n)
	}
	require.Equal(t, numbers, p.finish())
	require.Equal(t, events, p.events)
}

// A write within a transaction is part of it: waiting for the writer would never end.
func TestWriteWithinATransaction(t *testing.T) {
	db, refused := open(t), errors.New("refused by the test")
	err := db.Txn(t.Context(), func(ctx context.Context) error {
		return errors.Join(db.Write(ctx, func(ctx context.Context) error {
			_, err := db.Exec(ctx, `CREATE TABLE written (n INTEGER)`)
			return err
		}), refused)
	})
	require.Equal(t, refused.Error(), err.Error())
	_, err = db.Exec(t.Context(), `CREATE TABLE written (n INTEGER)`)
	require.NoError(t, err, "undone with its transaction")
}
