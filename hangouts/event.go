package hangouts

import (
	"context"
	"errors"
	"slices"
	"sync"
)

var (
	// ErrObserverPresent means that an observer was added twice.
	ErrObserverPresent = errors.New("hangouts: observer is already there")
	// ErrNoObserver means that the observer, or its function, is nil.
	ErrNoObserver = errors.New("hangouts: no observer")
	// ErrObserverAbsent means that an observer to be removed is not there.
	ErrObserverAbsent = errors.New("hangouts: observer is not there")
)

// Observer is a function that an Event calls. Make it with Observe; each call makes another
// observer, also of the same function.
type Observer[T any] struct {
	notify func(context.Context, T) error
}

// Observe makes an observer of a function.
func Observe[T any](notify func(context.Context, T) error) *Observer[T] {
	return &Observer[T]{notify: notify}
}

// Event calls observers one after another in the order in which they were added, and waits
// for each. The zero value is ready to use, by several goroutines too.
type Event[T any] struct {
	mu        sync.Mutex
	observers []*Observer[T]
}

// AddObserver adds an observer, also while the event is being fired: it is then called in the
// same round. It returns ErrObserverPresent when it was added before, or ErrNoObserver.
func (e *Event[T]) AddObserver(o *Observer[T]) error {
	if o == nil || o.notify == nil {
		return ErrNoObserver
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.Contains(e.observers, o) {
		return ErrObserverPresent
	}
	e.observers = append(e.observers, o)
	return nil
}

// RemoveObserver removes an observer. It returns ErrObserverAbsent when it is not there.
func (e *Event[T]) RemoveObserver(o *Observer[T]) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.Index(e.observers, o)
	if i < 0 {
		return ErrObserverAbsent
	}
	e.observers = slices.Delete(slices.Clone(e.observers), i, i+1)
	return nil
}

// Fire calls the observers. An error of one stops the round and is returned; from an event of a
// Client it ends Connect.
func (e *Event[T]) Fire(ctx context.Context, value T) error {
	called := map[*Observer[T]]bool{}
	for {
		o := e.next(called)
		if o == nil {
			return nil
		}
		called[o] = true
		if err := o.notify(ctx, value); err != nil {
			return err
		}
	}
}

// next is the first observer that was not called in this round.
func (e *Event[T]) next(called map[*Observer[T]]bool) *Observer[T] {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.observers {
		if !called[o] {
			return o
		}
	}
	return nil
}
