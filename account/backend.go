package account

import (
	"context"
	"io"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Backend is what a network must offer, in words of chat.
type Backend interface {
	// Authenticate tries credentials and returns whose they are. Errors wrap
	// chat.ErrBadCredentials when they are refused, chat.ErrUnavailable when the
	// network cannot be asked.
	Authenticate(ctx context.Context, credentials chat.Credentials) (Identity, error)
	// Open makes a connection of a stored login, without any I/O.
	Open(stored []byte) (Connection, error)
	// Features says what the network can do in a conversation.
	Features(conversation chat.Conversation) chat.Features
}

// Identity is the result of a login.
type Identity struct {
	Self   chat.Person
	Stored []byte // what Open needs: secret, opaque to everybody else
}

// Sink receives what a Connection has to say. Its methods are called one at a time.
type Sink interface {
	// Subscribed says that from now on pushes flow; whatever happened before may be
	// missing and has to be caught up. It is called for every new subscription and
	// whenever pushes may have got lost.
	Subscribed()
	// Lost says that pushes have stopped and that the connection is being mended;
	// Subscribed follows, or Run ends.
	Lost()
	// Push hands over one batch from the wire, in order. An error means that it could
	// not be stored; the connection then ends Run with that error.
	Push(ctx context.Context, update Update) error
	// Alive is called for any sign of life of the push channel.
	Alive()
	// Credentials hands over a new value for Identity.Stored, to be kept.
	Credentials(stored []byte)
}

// Connection is one account's connection to the network. Its methods are safe for
// concurrent use; every one but Run is a single request.
//
// Errors wrap chat.ErrBadCredentials, chat.ErrRefused, chat.ErrUnknownConversation,
// chat.ErrUnavailable (certainly not accepted) or ErrAmbiguous (perhaps accepted), and
// carry a RetryAfter where the network asked for a pause.
type Connection interface {
	// Run connects the push channel and feeds sink until ctx ends or the connection
	// breaks for a reason that it cannot mend; the caller runs it again after a pause.
	Run(ctx context.Context, sink Sink) error
	// Sync returns what happened at or after since (µs).
	Sync(ctx context.Context, since int64) (SyncPage, error)
	// Conversations lists conversations, newest first page, archived ones included;
	// before is 0 for the first page, then the Next of the page before.
	Conversations(ctx context.Context, before int64, limit int) (ConversationPage, error)
	// History returns a page of about limit events before the given place.
	History(ctx context.Context, conversation chat.ConversationID, before HistoryToken, limit int) (HistoryPage, error)
	// People looks people up; unknown ones are left out.
	People(ctx context.Context, ids []chat.PersonID) ([]chat.Person, error)
	// FindPeople looks for people whom the account need not know, best first, at most limit; nobody
	// is no error. A telephone number may get an id by being looked for.
	FindPeople(ctx context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error)
	// Send carries a request out. id is the request's deterministic id; the sender's own copy
	// of the event carries it. A kind that Features denies returns chat.ErrUnsupported.
	// AddPeople has at most AddAtOnce people, RemovePeople one. For a request that Finds,
	// conversation is empty. Repeating a Repeatable request succeeds even if it changes nothing.
	Send(ctx context.Context, id uint64, conversation chat.Conversation, request chat.Request) (Answer, error)
	// Open reads a file of the network by its Attachment.Ref or another handle; the stream ends
	// with ctx and has to be closed. chat.ErrRefused means that it will never be had,
	// chat.ErrUnavailable that trying again may help.
	Open(ctx context.Context, ref []byte) (io.ReadCloser, MediaInfo, error)
	// Upload stores a file of size bytes on the network for a later message and returns its
	// Attachment.Ref. The upload alone is invisible, so it may be retried with a fresh r.
	// If r is an io.ReaderAt, the file begins at its offset 0.
	Upload(ctx context.Context, conversation chat.ConversationID, name, mime string, size int64, r io.Reader) (ref []byte, err error)
	// SetTyping shows the account's own typing state.
	SetTyping(ctx context.Context, conversation chat.ConversationID, state chat.TypingState) error
	// SetWatermark moves the account's own watermark to time (µs).
	SetWatermark(ctx context.Context, conversation chat.ConversationID, time int64) error
	// GroupLink is the address by which others can join a group while LinkSharing is on.
	GroupLink(ctx context.Context, conversation chat.ConversationID) (string, error)
	// SetDoNotDisturb keeps the person's clients quiet for a time; 0 ends that.
	SetDoNotDisturb(ctx context.Context, lasting time.Duration) error
	// SetActive says that the person is at one of our sides now. It limits its rate itself.
	SetActive(ctx context.Context) error
	// Close ends the connection and frees what it holds.
	Close()
}

// Update is one batch from the wire, or a page of a synchronisation.
type Update struct {
	Events        []ReceivedEvent
	Conversations []chat.ConversationDelta
	People        []chat.Person    // looked up or pushed: authoritative
	Watermarks    []chat.Watermark // of anybody
	Typing        []chat.Typing
}

// empty reports whether an update says nothing.
func (u Update) empty() bool {
	return len(u.Events)+len(u.Conversations)+len(u.People)+len(u.Watermarks)+len(u.Typing) == 0
}

// ReceivedEvent is an event as the network gave it to one account.
// RequestID is set only in the author's own copy.
type ReceivedEvent struct {
	chat.Event
}

// AddAtOnce is how many people are added with one request (protocol §8.13).
const AddAtOnce = 20

// Answer is what the network says to a request that it has taken.
type Answer struct {
	// Event is what the request made: at least conversation, id, author and time; zero if it
	// made nothing that is logged.
	Event chat.Event
	// Conversations are what the answer tells of conversations: for a request that Finds, that
	// one, complete and alone.
	Conversations []chat.ConversationDelta
}

// SyncPage is an answer of Connection.Sync.
type SyncPage struct {
	Update
	// SyncedTo (µs): everything before it is in the answer. It does not exceed the
	// time of the answer.
	SyncedTo int64
	// Cut says that more is due from SyncedTo on.
	Cut bool
	// Stale says that the network cannot answer from so far back: conversations have
	// to be compared one by one.
	Stale bool
}

// ConversationPage is an answer of Connection.Conversations.
type ConversationPage struct {
	Update
	Next int64 // for the next page; 0 = this is the last
	Time int64 // µs, the network's clock
}

// HistoryToken is a place in a conversation's history: before an event's time, with the
// network's own token where it has one. The zero value is the newest end.
type HistoryToken struct {
	Time  int64  `json:"time,omitempty"` // µs
	Event string `json:"event,omitempty"`
	Token []byte `json:"token,omitempty"`
}

// HistoryPage is an answer of Connection.History.
type HistoryPage struct {
	Update // events in any order; at most one conversation
	// CompleteFrom (µs): with this page and the newer ones, every event at or after it is known. Of
	// a network that pages by time it is the time of the oldest event; 0 = it does not say.
	CompleteFrom int64
	Next         HistoryToken // place of the next older page
	End          bool         // nothing is older
}

// RetryAfter is wrapped into errors when the network asked for a pause.
type RetryAfter struct {
	After time.Duration
	Err   error
}

func (e *RetryAfter) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *RetryAfter) Unwrap() error { return e.Err }
