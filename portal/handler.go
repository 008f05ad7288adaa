// Package portal is what the Matrix side knows of conversations: what their rooms look
// like, how their events become Matrix events, and what happens to what is written there.
package portal

import (
	"context"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/puppet"
)

// Options are the settings of a Handler.
type Options struct {
	// SendWait bounds how long HandleMatrixMessage waits for the fate of a message.
	SendWait time.Duration
	// Alive ends when the program stops: nothing is waited for then; may be nil.
	Alive context.Context
	// EventTime asks the homeserver when an event was sent; nil if it cannot be asked.
	EventTime func(context.Context, id.RoomID, id.EventID) (time.Time, error)
	// Sent hears of each message of the initial history that is now in a room, with its rows.
	Sent func(id.RoomID, networkid.MessageID)
	// Failed is why a handling of the context has failed to bring everything into the room, nil if it has not; may be nil.
	Failed func(context.Context) error
	// Written reports whether an event of the initial history was written in the room itself,
	// and then keeps its row; may be nil.
	Written func(context.Context, *bridgev2.Portal, chat.Event) (bool, error)
	// Room returns the portal of a key if there is one, else nil; may be nil.
	Room func(context.Context, networkid.PortalKey) *bridgev2.Portal
	// Logins are the logins of this bridge; may be nil.
	Logins func() []Login
	// IsGhost returns the person of a ghost, and Domain is that of the homeserver; nil and "" if
	// nobody is to be found by a Matrix id.
	IsGhost func(id.UserID) (networkid.UserID, bool)
	Domain  string
	// EditsAsMessages makes an edit a message of its own where the network has no edits.
	EditsAsMessages bool
	// Ghost returns the ghost of a person, brought up to date; nil: no chats can be started.
	Ghost func(context.Context, chat.PersonID) (*bridgev2.Ghost, error)
	// Open makes or completes the room of a conversation.
	Open func(context.Context, chat.Conversation) (*bridgev2.Portal, error)
	// NewRef makes the ref of a request that is none of a Matrix event: each attempt is another one.
	NewRef func() string
	// Prefix begins commands to the bot, as in "!hangouts".
	Prefix string
	// Files moves files into rooms and out of them; nil: they are only linked.
	Files Files
	// Split says that every login has a room of its own for groups too.
	Split bool
}

// Handler answers bridgev2's questions about conversations for one login.
type Handler struct {
	session account.Session // nil when the account is gone
	self    chat.PersonID
	people  *puppet.Handler
	options Options
}

// New returns a handler for an account. session may be nil: then every question fails
// with puppet.ErrNoAccount.
func New(session account.Session, self chat.PersonID, people *puppet.Handler, options Options) *Handler {
	return &Handler{session: session, self: self, people: people, options: options}
}

// Key is the key of a conversation's portal.
func (h *Handler) Key(conversation chat.ConversationID, kind chat.ConversationKind) networkid.PortalKey {
	return ids.MakePortalKey(conversation, kind, h.self, h.options.Split)
}

// absences are the absences of all logins from the room of a key.
func (h *Handler) absences(ctx context.Context, key networkid.PortalKey) map[networkid.UserLoginID]ids.Absence {
	return absencesOf(h.options.room(ctx, key))
}

func absencesOf(portal *bridgev2.Portal) map[networkid.UserLoginID]ids.Absence {
	if portal == nil {
		return nil
	}
	return ids.PortalMeta(portal).Absences.All()
}

func (o Options) failed(handling context.Context) bool {
	return o.Failed != nil && o.Failed(handling) != nil
}

func (o Options) room(ctx context.Context, key networkid.PortalKey) *bridgev2.Portal {
	if o.Room == nil {
		return nil
	}
	return o.Room(ctx, key)
}

// sender is a person as the author of something in a room: their Matrix user, or their
// ghost while that user does not take part. A double puppet would join the room again.
func (h *Handler) sender(person chat.PersonID, absences map[networkid.UserLoginID]ids.Absence) bridgev2.EventSender {
	if absences[ids.MakeLoginID(person)] != "" {
		return bridgev2.EventSender{Sender: ids.MakeUserID(person)}
	}
	return h.people.Sender(person)
}

// waiting bounds a wait for the fate of requests.
func (h *Handler) waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, h.options.SendWait)
	if h.options.Alive == nil {
		return ctx, cancel
	}
	stop := context.AfterFunc(h.options.Alive, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// conversation returns the snapshot of a portal's conversation.
func (h *Handler) conversation(ctx context.Context, portal *bridgev2.Portal) (chat.Conversation, error) {
	if h.session == nil {
		return chat.Conversation{}, puppet.ErrNoAccount
	}
	return h.session.Conversation(ctx, ids.ParsePortalID(portal.ID))
}
