package irc

import (
	"net"
	"sync"
	"time"
)

// sendQueue holds the lines that wait to be written to a client. It has one writer
// goroutine; lines are added without waiting.
type sendQueue struct {
	limit int

	mu      sync.Mutex
	lines   [][]byte
	size    int // bytes of lines and of what is being written
	closed  bool
	wake    chan struct{} // something was added, or the queue was closed
	written chan struct{} // something was written
}

func newSendQueue(limit int) *sendQueue {
	return &sendQueue{limit: limit, wake: make(chan struct{}, 1), written: make(chan struct{}, 1)}
}

// put adds a line. It reports whether the queue is within its limit.
func (q *sendQueue) put(line []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.size+len(line) > q.limit {
		return q.closed
	}
	q.lines = append(q.lines, line)
	q.size += len(line)
	signal(q.wake)
	return true
}

// room waits until the queue is less than half full.
func (q *sendQueue) room(done <-chan struct{}) {
	for {
		q.mu.Lock()
		ok := q.closed || q.size < q.limit/2
		q.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-q.written:
		case <-done:
			return
		}
	}
}

// close ends the queue; what is in it is still written.
func (q *sendQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	signal(q.wake)
}

// write writes lines to conn until the queue is closed and empty, or a write fails.
func (q *sendQueue) write(conn net.Conn, timeout func() time.Duration) error {
	for {
		q.mu.Lock()
		batch, closed := net.Buffers(q.lines), q.closed
		q.lines = nil
		q.mu.Unlock()
		if len(batch) == 0 {
			if closed {
				return nil
			}
			<-q.wake
			continue
		}
		var size int
		for _, line := range batch {
			size += len(line)
		}
		if err := conn.SetWriteDeadline(time.Now().Add(timeout())); err != nil {
			return err
		}
		if _, err := batch.WriteTo(conn); err != nil {
			return err
		}
		q.mu.Lock()
		q.size -= size
		q.mu.Unlock()
		signal(q.written)
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
