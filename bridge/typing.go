package bridge

import (
	"context"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// typingAge is how old a typing state may be when its turn comes.
const typingAge = 10 * time.Second

// Typing implements account.Observer. What the account's own person types elsewhere shows
// as their Matrix user's; without a double puppet as their ghost's, if other logins see it.
func (c *consumer) Typing(ctx context.Context, typing chat.Typing) {
	switch {
	case typing.Origin.Side == chat.OriginMatrix:
		return // typed in Matrix
	case typing.Person == c.id && c.login.User.DoublePuppet(ctx) == nil && !c.othersWatch(ctx, typing.Conversation):
		return // there is nobody to show it to
	case typing.Person != c.id && c.showsItself(ctx, typing.Conversation, typing.Person):
		return // that person's own login shows it, or it was typed in Matrix
	}
	came := time.Now()
	c.live.do(string(typing.Conversation), "typing/"+string(typing.Person), func() {
		if time.Since(came) < typingAge {
			c.inRoom(ctx, typing.Conversation, typing.Person, func(conversation chat.Conversation) {
				_ = c.queue(ctx, c.RemoteTyping(ctx, typing, conversation), typing.Person)
			})
		}
	})
}
