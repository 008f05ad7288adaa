package account

import (
	"context"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Consumer is somebody who wants every event of an account: the Matrix side of it, or
// one IRC client of one person.
//
// Deliver is called with one or more (at most ConsumerOptions.Batch) consecutive events
// of one conversation, in the order of their Seq, each with its Origin filled in. It is
// never called twice at once for the same conversation; different conversations are
// delivered in parallel (at most ConsumerOptions.Parallel at once). It returns when the
// events' fate is known. What was not acknowledged is delivered again, also after a
// restart. ctx ends when the consumer is detached or the program stops; an error is then
// ignored.
//
// done is how many of the events, from the first on, have arrived or are of no interest. With an
// error the next one has failed: it and those behind it are delivered again later, and only
// this conversation waits. After an error of Permanent it is passed.
type Consumer interface {
	Deliver(ctx context.Context, events []chat.Event) (done int, err error)
}

// Permanent marks the error of an event that can never arrive, and has been shown once.
func Permanent(err error) error { return &permanentError{err} }

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// Observer is what a Consumer implements as well if it wants the changes that are not
// events. The calls come one at a time, from one goroutine for each attachment, and must
// not block for long: while one is busy, later values of the same thing replace earlier
// ones, and typing older than 10 s is dropped.
type Observer interface {
	// Typing reports a person's latest typing state.
	Typing(ctx context.Context, typing chat.Typing)
	// Watermark reports that a person's watermark moved forward.
	Watermark(ctx context.Context, watermark chat.Watermark)
	// ConversationChanged reports a new or changed snapshot.
	ConversationChanged(ctx context.Context, conversation chat.Conversation)
	// PersonChanged reports a new or changed person.
	PersonChanged(ctx context.Context, person chat.Person)
	// StateChanged reports the account's state; also once right after Attach.
	StateChanged(ctx context.Context, state chat.AccountState)
}

// ConsumerID names a consumer of an account durably.
type ConsumerID struct {
	Side string // chat.OriginMatrix or chat.OriginIRC
	Name string // "" for Matrix; the client's name for IRC
}

// ConsumerOptions are limits of one attachment.
type ConsumerOptions struct {
	Batch    int // most events in one Deliver; 0 = 1
	Parallel int // most conversations delivered at once; 0 = 16
	// Confirms says that what Deliver counts as done is only on its way: it is acknowledged by
	// Attachment.Confirm.
	Confirms bool
}

// Attachment is a consumer attached to an account.
type Attachment interface {
	// Detach ends delivery and waits for running Deliver calls; the positions stay.
	Detach()
	// Kick makes stalled conversations try again at once, for example when the
	// homeserver is reachable again.
	Kick()
	// Confirm acknowledges events of conversations up to a Seq each. It does not wait for the
	// database.
	Confirm(positions map[chat.ConversationID]int64)
	// Rewind delivers everything again that is not acknowledged. between runs while no Deliver
	// does; those that run are waited for.
	Rewind(between func())
}
