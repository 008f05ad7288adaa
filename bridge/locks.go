package bridge

import (
	"context"
	"sync"
)

// keyedLocks are locks that exist only while somebody holds them or waits. The zero value
// is usable.
type keyedLocks[K comparable] struct {
	mu    sync.Mutex
	locks map[K]*keyedLock
}

type keyedLock struct {
	held  chan struct{}
	users int
}

// lock takes a key's lock, or fails when ctx ends.
func (l *keyedLocks[K]) lock(ctx context.Context, key K) (unlock func(), err error) {
	l.mu.Lock()
	if l.locks == nil {
		l.locks = map[K]*keyedLock{}
	}
	lock := l.locks[key]
	if lock == nil {
		lock = &keyedLock{held: make(chan struct{}, 1)}
		l.locks[key] = lock
	}
	lock.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if lock.users--; lock.users == 0 {
			delete(l.locks, key)
		}
	}
	select {
	case lock.held <- struct{}{}:
		return func() { <-lock.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// drain waits until no lock is held, or ctx ends.
func (l *keyedLocks[K]) drain(ctx context.Context) error {
	for {
		key, held := l.oneHeld()
		if !held {
			return nil
		}
		unlock, err := l.lock(ctx, key)
		if err != nil {
			return err
		}
		unlock()
	}
}

func (l *keyedLocks[K]) oneHeld() (key K, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key = range l.locks {
		return key, true
	}
	return key, false
}
