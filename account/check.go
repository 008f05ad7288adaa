package account

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// check refuses what can never be carried out, before it is stored.
func (s *session) check(ctx context.Context, r chat.Request) error {
	if kinds := r.Kinds(); len(kinds) != 1 {
		return fmt.Errorf("%w: %d things at once", chat.ErrInvalidRequest, len(kinds))
	}
	if r.Create != nil {
		return checkCreate(*r.Create, s.id)
	}
	if r.JoinLink != "" {
		return checkLink(r.JoinLink, s.Features(chat.Conversation{Kind: chat.Group}))
	}
	c, err := s.Conversation(ctx, r.Conversation)
	if err != nil {
		return err
	}
	if c.Standing == chat.Left && r.Archived == nil && r.Clear == nil {
		return fmt.Errorf("%w: the account has left this conversation", chat.ErrRefused)
	}
	if c.Standing == chat.Invited && reachesOthers(r.Kind()) {
		return chat.ErrInvited
	}
	features := s.Features(c)
	if !features.Allows(r.Kind()) {
		return fmt.Errorf("%w: this conversation has no %s", chat.ErrUnsupported, strings.ReplaceAll(string(r.Kind()), "_", " "))
	}
	switch {
	case r.Message != nil:
		return checkMessage(*r.Message, features)
	case r.Edit != nil:
		return checkEdit(*r.Edit, features)
	case r.Deletion != nil:
		return checkTarget(r.Deletion.Target)
	case r.Reaction != nil:
		return checkReaction(*r.Reaction, features)
	case (r.Join || r.Decline) && c.Standing != chat.Invited:
		return fmt.Errorf("%w: there is no invitation", chat.ErrRefused)
	case r.EasterEgg != "" && !slices.Contains(features.EasterEggs, r.EasterEgg):
		return fmt.Errorf("%w: no such easter egg", chat.ErrInvalidRequest)
	case slices.Contains(r.RemovePeople, s.id):
		return fmt.Errorf("%w: leaving is a request of its own", chat.ErrInvalidRequest)
	}
	return checkPeople(slices.Concat(r.AddPeople, r.RemovePeople))
}

// reachesOthers reports whether the others in a conversation see what requests of a kind do, but for
// who answers an invitation or leaves.
func reachesOthers(kind chat.RequestKind) bool {
	switch kind {
	case chat.RequestJoin, chat.RequestDecline, chat.RequestLeave, chat.RequestMuted, chat.RequestArchived, chat.RequestUnread, chat.RequestClear:
		return false
	}
	return true
}

func checkCreate(n chat.NewConversation, self chat.PersonID) error {
	switch {
	case n.Kind == chat.OneToOne && len(n.People) != 1:
		return fmt.Errorf("%w: a conversation of two has one other person", chat.ErrInvalidRequest)
	case n.Kind != chat.OneToOne && n.Kind != chat.Group:
		return fmt.Errorf("%w: unknown kind of conversation", chat.ErrInvalidRequest)
	case slices.Contains(n.People, self):
		return fmt.Errorf("%w: the account itself is no other person", chat.ErrInvalidRequest)
	}
	return checkPeople(n.People)
}

// maxLink is the longest link in bytes.
const maxLink = 2048

func checkLink(link string, features chat.Features) error {
	if !features.JoinLink {
		return fmt.Errorf("%w: joining by link", chat.ErrUnsupported)
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(link) > maxLink || strings.ContainsFunc(link, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: that is no link", chat.ErrInvalidRequest)
	}
	return nil
}

func checkPeople(people []chat.PersonID) error {
	for _, id := range people {
		if _, err := chat.ParsePersonID(string(id)); err != nil {
			return fmt.Errorf("%w: %q is no person", chat.ErrInvalidRequest, id)
		}
	}
	return nil
}

func checkTarget(id chat.EventID) error {
	if id == "" {
		return fmt.Errorf("%w: no message is named", chat.ErrInvalidRequest)
	}
	return nil
}

func checkReaction(r chat.Reaction, features chat.Features) error {
	switch {
	case r.Emoji.Ref != "" && !features.CustomEmoji:
		return fmt.Errorf("%w: this conversation has no emoji of its own", chat.ErrUnsupported)
	case r.Emoji.Text == "" && r.Emoji.Ref == "":
		return fmt.Errorf("%w: no emoji", chat.ErrInvalidRequest)
	}
	return checkTarget(r.Target)
}

// checkEdit leaves the attachments alone: they are those that the message has.
func checkEdit(e chat.Edit, features chat.Features) error {
	if err := checkTarget(e.Target); err != nil {
		return err
	}
	m := e.Message
	if m.Text.Empty() && len(m.Attachments) > 0 {
		return nil
	}
	m.Attachments = nil
	return checkMessage(m, features)
}

func checkMessage(m chat.Message, features chat.Features) error {
	switch {
	case m.Text.Empty() && len(m.Attachments) == 0:
		return fmt.Errorf("%w: no text", chat.ErrRefused)
	case features.MaxText > 0 && len(m.Text.String()) > features.MaxText:
		return fmt.Errorf("%w: over %d bytes of text", chat.ErrTooLarge, features.MaxText)
	case m.Reply != nil && !features.Replies:
		return fmt.Errorf("%w: this conversation has no replies", chat.ErrUnsupported)
	case m.Thread != "" && features.Threads == chat.NoThreads:
		return fmt.Errorf("%w: this conversation has no threads", chat.ErrUnsupported)
	case len(m.Attachments) > features.Attachments:
		return fmt.Errorf("%w: a message has at most %d attachments here", chat.ErrUnsupported, features.Attachments)
	}
	for _, a := range m.Attachments {
		if err := checkAttachment(a, features); err != nil {
			return err
		}
	}
	return nil
}

func checkAttachment(a chat.Attachment, features chat.Features) error {
	switch {
	case a.Kind == chat.AttachPlace && !features.Places, a.Kind == chat.AttachPhoto && !features.Photos,
		a.Kind != chat.AttachPlace && a.Kind != chat.AttachPhoto && !features.AnyFile:
		return fmt.Errorf("%w: this conversation takes no attachment of the kind %s", chat.ErrUnsupported, a.Kind)
	case a.Kind != chat.AttachPlace && len(a.Ref) == 0:
		return fmt.Errorf("%w: an attachment has to be uploaded first", chat.ErrInvalidRequest)
	case features.MaxMedia > 0 && a.Size > features.MaxMedia:
		return fmt.Errorf("%w: over %d bytes", chat.ErrTooLarge, features.MaxMedia)
	}
	return nil
}
