package classic

import (
	"context"
	"fmt"
	"regexp"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// groupLink is what the link of a group looks like (protocol §8.24).
var groupLink = regexp.MustCompile(`^https://hangouts\.google\.com/group/[A-Za-z0-9_-]{1,256}$`)

// joinLink joins a group by its link (protocol §8.28). The service only says which it is; joining again
// changes nothing.
func (c *connection) joinLink(ctx context.Context, link string) (account.Answer, error) {
	if !groupLink.MatchString(link) {
		return account.Answer{}, fmt.Errorf("%w: no link of a group", chat.ErrRefused)
	}
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.OpenGroupConversationFromUrlResponse, error) {
		return client.OpenGroupConversationFromURL(ctx, &pb.OpenGroupConversationFromUrlRequest{Url: proto.String(link)})
	})
	if err != nil {
		return account.Answer{}, err
	}
	page, err := c.History(ctx, chat.ConversationID(answer.GetConversationId().GetId()), account.HistoryToken{}, 1)
	switch {
	case err != nil:
		return account.Answer{}, fmt.Errorf("%w: look at a group that was joined: %w", account.ErrAmbiguous, err)
	case len(page.Conversations) != 1 || !page.Conversations[0].Complete:
		return account.Answer{}, fmt.Errorf("%w: the answer has no conversation", account.ErrAmbiguous)
	}
	return telling(page.Conversations[0]), nil
}

// GroupLink implements account.Connection (protocol §8.24).
func (c *connection) GroupLink(ctx context.Context, id chat.ConversationID) (string, error) {
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.GetGroupConversationUrlResponse, error) {
		return client.GetGroupConversationURL(ctx, &pb.GetGroupConversationUrlRequest{ConversationId: conversationID(id)})
	})
	if err == nil && answer.GetGroupConversationUrl() == "" {
		err = fmt.Errorf("%w: the conversation has no link", chat.ErrRefused)
	}
	return answer.GetGroupConversationUrl(), err
}
