package account

import (
	"context"
	"io"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Session is one account with its connection, as its consumers use it. Methods are safe
// for concurrent use. Errors wrap those of package chat.
type Session interface {
	// ID is the account: the Gaia id of its owner.
	ID() chat.PersonID
	// State is how the account is doing now.
	State() chat.AccountState
	// Self is the account's own person.
	Self() chat.Person
	// Features says what works in a conversation.
	Features(conversation chat.Conversation) chat.Features

	// CaughtUp reports whether everything that happened before this run of the program is in
	// the log, own copies with their RequestID included.
	CaughtUp() bool
	// Ready waits until the account's conversations are known: after the very first login
	// that takes a moment, later it returns at once. The error is that of ctx.
	Ready(ctx context.Context) error
	// Conversations are the snapshots of all known conversations, archived and left
	// ones included, latest first.
	Conversations(ctx context.Context) ([]chat.Conversation, error)
	// Conversation is one snapshot, from the database or else from the network.
	Conversation(ctx context.Context, id chat.ConversationID) (chat.Conversation, error)
	// People returns what is known of people, asking the network for those unknown
	// when it is reachable; every asked id is in the result.
	People(ctx context.Context, ids ...chat.PersonID) (map[chat.PersonID]chat.Person, error)
	// FindPeople asks the network for people whom the account need not know, at most limit (up to
	// 50), the account's own person left out. They are not stored. Nobody is no error.
	FindPeople(ctx context.Context, query chat.PeopleQuery, limit int) ([]chat.Person, error)
	// Watermarks returns how far each person has read a conversation (µs), as far as the
	// network knows.
	Watermarks(ctx context.Context, id chat.ConversationID) (map[chat.PersonID]int64, error)
	// ReadMarker is the person's own watermark (µs) as it looks from one origin: also what
	// that origin has marked and the network has neither accepted nor refused yet.
	ReadMarker(ctx context.Context, id chat.ConversationID, origin chat.Origin) (int64, error)
	// History returns up to limit events before the given place, oldest first: from the log and the
	// history store, into which pages of the network come as they are needed, each once. Deleted and
	// expired events are left out; an edit stands beside its original.
	History(ctx context.Context, query HistoryQuery) ([]chat.Event, error)

	// Made returns the account's own copy of an event that it is the author of, with the
	// request that made it where there is one; ok is false if the copy is not there. With
	// ErrOpenRequest a request of that side has left that may have made it.
	Made(ctx context.Context, side string, conversation chat.ConversationID, id chat.EventID) (event chat.Event, ok bool, err error)

	// Submit commits a request to the outbox and returns; the request is then carried
	// out however often the program is restarted. Submitting the same origin again
	// changes nothing and is no error.
	Submit(ctx context.Context, request chat.Request) error
	// Submitted reports whether a request of an origin is in the outbox, whatever became of it.
	Submitted(ctx context.Context, origin chat.Origin) (bool, error)
	// Await waits for the fate of a submitted request: its event, of which only conversation, id,
	// kind, author, time and origin are known until it is logged, or an error wrapping
	// chat.ErrRefused, ErrExpired, ErrUnconfirmed, ErrBadCredentials or
	// ErrUnknownConversation, or ErrNotSubmitted. ctx ending ends only the wait.
	Await(ctx context.Context, origin chat.Origin) (chat.Event, error)
	// Create makes a conversation, or finds the one-to-one conversation that exists.
	Create(ctx context.Context, origin chat.Origin, request chat.NewConversation) (chat.Conversation, error)

	// JoinLink joins the group of a link, or finds it if the account is in it already. A link that
	// the network does not take gives chat.ErrRefused, what is no link chat.ErrInvalidRequest.
	JoinLink(ctx context.Context, origin chat.Origin, link string) (chat.Conversation, error)
	// GroupLink is Connection.GroupLink.
	GroupLink(ctx context.Context, id chat.ConversationID) (string, error)
	// SetDoNotDisturb is Connection.SetDoNotDisturb, in every client of the person.
	SetDoNotDisturb(ctx context.Context, lasting time.Duration) error

	// Open is Connection.Open.
	Open(ctx context.Context, ref []byte) (io.ReadCloser, MediaInfo, error)
	// Upload is Connection.Upload: the first step of a message with a file, before Submit.
	Upload(ctx context.Context, conversation chat.ConversationID, name, mime string, size int64, r io.Reader) (ref []byte, err error)
	// SetTyping shows the person's typing state to the others. Not stored, may be lost.
	SetTyping(ctx context.Context, typing chat.Typing) error
	// MarkRead moves the person's own watermark forward; one that is not ahead of the
	// known one, or of what the same origin has outstanding, does nothing. It returns when
	// the watermark is stored; the network is told for as long as requests may wait, also
	// by the next run of the program. Then it counts for all, or is withdrawn.
	MarkRead(ctx context.Context, watermark chat.Watermark) error

	// Attach begins delivery to a consumer. One that is new starts at the present end
	// of every conversation. Attaching an id that is attached detaches the old one.
	Attach(ctx context.Context, id ConsumerID, consumer Consumer, options ConsumerOptions) (Attachment, error)
	// Attached reports whether a consumer has been attached before (has positions).
	Attached(ctx context.Context, id ConsumerID) (bool, error)
	// Forget detaches a consumer for good and drops its positions.
	Forget(ctx context.Context, id ConsumerID) error
}

// HistoryQuery asks for past events of a conversation. Before bounds them: only events
// with a smaller time (µs) are wanted, 0 = up to the newest. If the network does not answer for what
// is not stored, that is an error with Complete, and otherwise if nothing is.
type HistoryQuery struct {
	Conversation chat.ConversationID
	Before       int64
	Limit        int
	Complete     bool
}

// User is somebody of one of our sides who may use accounts.
type User struct {
	Side string // chat.OriginMatrix or chat.OriginIRC
	ID   string // Matrix user id, or IRC user name
}

// Role is what a grant allows.
type Role string

// Roles. An account has at most one Matrix owner.
const (
	RoleOwner Role = "owner" // may also remove the account and grant it to others
	RoleUser  Role = "user"
)

// Grant lets a user use an account.
type Grant struct {
	Account chat.PersonID
	User    User
	Role    Role
}

// Accounts is the set of all accounts and who may use them.
type Accounts interface {
	// Login tries credentials and finds or creates the account that they belong to;
	// the user gets a grant. An account that has a Matrix owner already refuses another
	// one with chat.ErrForbidden; credentials of another account than Credentials.Of are
	// refused with chat.ErrOtherAccount. Logging in again replaces the credentials.
	Login(ctx context.Context, credentials chat.Credentials, user User) (Session, error)
	// Get returns an account's session; ok is false if there is no such account.
	Get(id chat.PersonID) (session Session, ok bool)
	// List returns all sessions, in the order of their ids.
	List() []Session
	// Grants lists grants: of an account, of a user, or of both (zero = any).
	Grants(ctx context.Context, account chat.PersonID, user User) ([]Grant, error)
	// Grant gives or changes a grant.
	Grant(ctx context.Context, grant Grant) error
	// Revoke takes a grant away; watchers hear of it at once.
	Revoke(ctx context.Context, account chat.PersonID, user User) error
	// Remove erases an account and everything personal of it.
	Remove(ctx context.Context, account chat.PersonID) error
	// Watch calls fn for every change from now on, until stop is called. Calls come
	// one at a time and must not block.
	Watch(fn func(Change)) (stop func())
}

// Change is a change in the set of accounts and grants.
type Change struct {
	Account chat.PersonID
	Added   bool   // the account is new
	Removed bool   // the account is gone
	Granted *Grant // a new or changed grant
	Revoked *Grant // a grant that is no more
}
