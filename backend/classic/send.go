package classic

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Send implements account.Connection.
func (c *connection) Send(ctx context.Context, id uint64, conv chat.Conversation, request chat.Request) (account.Answer, error) {
	header := eventHeader(id, conv)
	place := conversationID(conv.ID)
	switch request.Kind() {
	case chat.RequestMessage:
		return c.sendMessage(ctx, id, conv, request.Message)
	case chat.RequestRename:
		req := &pb.RenameConversationRequest{EventRequestHeader: header, NewName: proto.String(request.Rename.New)}
		return making(ctx, c, req, (*hangouts.Client).RenameConversation)
	case chat.RequestAddPeople:
		people, err := c.invitees(ctx, request.AddPeople)
		if err != nil {
			return account.Answer{}, err
		}
		req := &pb.AddUserRequest{EventRequestHeader: header, InviteeId: people}
		return making(ctx, c, req, (*hangouts.Client).AddUser)
	case chat.RequestRemovePeople:
		if len(request.RemovePeople) != 1 {
			return account.Answer{}, chat.ErrUnsupported
		}
		req := &pb.RemoveUserRequest{EventRequestHeader: header, ParticipantId: &pb.ParticipantId{GaiaId: proto.String(string(request.RemovePeople[0]))}}
		return making(ctx, c, req, (*hangouts.Client).RemoveUser)
	case chat.RequestLeave:
		return making(ctx, c, &pb.RemoveUserRequest{EventRequestHeader: header}, (*hangouts.Client).RemoveUser)
	case chat.RequestHistoryMode:
		req := &pb.ModifyOTRStatusRequest{EventRequestHeader: header, OtrStatus: otrStatus(request.HistoryMode.Off).Enum()}
		return making(ctx, c, req, (*hangouts.Client).ModifyOTRStatus)
	case chat.RequestLinkSharing:
		status := pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_OFF
		if request.LinkSharing.On {
			status = pb.GroupLinkSharingStatus_GROUP_LINK_SHARING_STATUS_ON
		}
		req := &pb.SetGroupLinkSharingEnabledRequest{EventRequestHeader: header, GroupLinkSharingStatus: status.Enum()}
		return making(ctx, c, req, (*hangouts.Client).SetGroupLinkSharingEnabled)
	case chat.RequestJoin, chat.RequestDecline:
		return c.replyToInvite(ctx, place, request.Join)
	case chat.RequestMuted:
		return c.setMuted(ctx, place, *request.Muted)
	case chat.RequestArchived:
		return c.setArchived(ctx, place, conv.SortTime, *request.Archived)
	case chat.RequestClear:
		return c.clear(ctx, conv, request.Clear.UpTo)
	case chat.RequestCreate:
		return c.create(ctx, id, *request.Create)
	case chat.RequestJoinLink:
		return c.joinLink(ctx, request.JoinLink)
	case chat.RequestEasterEgg:
		return c.easterEgg(ctx, place, request.EasterEgg)
	}
	return account.Answer{}, chat.ErrUnsupported
}

// making carries out a request whose answer is the event that it made.
func making[Q any, A interface{ GetCreatedEvent() *pb.Event }](ctx context.Context, c *connection, req Q, do func(*hangouts.Client, context.Context, Q) (A, error)) (account.Answer, error) {
	answer, err := call(ctx, c, func(client *hangouts.Client) (A, error) { return do(client, ctx, req) })
	if err != nil {
		return account.Answer{}, err
	}
	received, ok := event(answer.GetCreatedEvent())
	if !ok {
		return account.Answer{}, fmt.Errorf("%w: the answer has no event", account.ErrAmbiguous)
	}
	update := account.Update{Events: []account.ReceivedEvent{received}}
	c.learn(&update)
	return account.Answer{Event: update.Events[0].Event}, nil
}

func (c *connection) sendMessage(ctx context.Context, id uint64, conv chat.Conversation, m *chat.Message) (account.Answer, error) {
	name := ""
	if m.Emote {
		self, err := c.ownName(ctx)
		if err != nil {
			return account.Answer{}, err
		}
		name = self
	}
	req, err := sendRequest(id, conv, m, name)
	if err != nil {
		return account.Answer{}, err
	}
	return making(ctx, c, req, (*hangouts.Client).SendChatMessage)
}

// telling is the answer that a conversation has changed for the account.
func telling(d chat.ConversationDelta) account.Answer {
	return account.Answer{Conversations: []chat.ConversationDelta{d}}
}

func (c *connection) replyToInvite(ctx context.Context, place *pb.ConversationId, accept bool) (account.Answer, error) {
	reply, standing := pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_DECLINE, chat.Left
	if accept {
		reply, standing = pb.ReplyToInviteType_REPLY_TO_INVITE_TYPE_ACCEPT, chat.Active
	}
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.ReplyToInviteResponse, error) {
		return client.ReplyToInvite(ctx, &pb.ReplyToInviteRequest{ConversationId: place, Reply: reply.Enum()})
	})
	if err != nil {
		return account.Answer{}, err
	}
	return telling(chat.ConversationDelta{ID: chat.ConversationID(place.GetId()), Standing: &standing}), nil
}

func (c *connection) setMuted(ctx context.Context, place *pb.ConversationId, muted bool) (account.Answer, error) {
	wire, ours := pb.NotificationLevel_NOTIFICATION_LEVEL_RING, chat.Ring
	if muted {
		wire, ours = pb.NotificationLevel_NOTIFICATION_LEVEL_QUIET, chat.Quiet
	}
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.SetConversationNotificationLevelResponse, error) {
		return client.SetConversationNotificationLevel(ctx, &pb.SetConversationNotificationLevelRequest{ConversationId: place, Level: wire.Enum()})
	})
	if err != nil {
		return account.Answer{}, err
	}
	return telling(chat.ConversationDelta{ID: chat.ConversationID(place.GetId()), Level: &ours}), nil
}

// setArchived archives a conversation up to its last event (µs), or brings it back.
func (c *connection) setArchived(ctx context.Context, place *pb.ConversationId, last int64, archived bool) (account.Answer, error) {
	view := pb.ConversationView_CONVERSATION_VIEW_INBOX
	if archived {
		view = pb.ConversationView_CONVERSATION_VIEW_ARCHIVED
	}
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.ModifyConversationViewResponse, error) {
		return client.ModifyConversationView(ctx, &pb.ModifyConversationViewRequest{ConversationId: place, NewView: view.Enum(), LastEventTimestamp: proto.Uint64(uint64(last))})
	})
	if err != nil {
		return account.Answer{}, err
	}
	return telling(chat.ConversationDelta{ID: chat.ConversationID(place.GetId()), Archived: &archived}), nil
}

// clear deletes the own history up to a time (µs, protocol §8.15).
func (c *connection) clear(ctx context.Context, conv chat.Conversation, upTo int64) (account.Answer, error) {
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.DeleteConversationResponse, error) {
		return client.DeleteConversation(ctx, &pb.DeleteConversationRequest{ConversationId: conversationID(conv.ID), DeleteUpperBoundTimestamp: proto.Uint64(uint64(upTo))})
	})
	if err != nil {
		return account.Answer{}, err
	}
	hidden := conv.SortTime <= upTo
	return telling(chat.ConversationDelta{ID: conv.ID, Archived: &hidden}), nil
}

// create makes a conversation, or finds that of two (protocol §8.12).
func (c *connection) create(ctx context.Context, id uint64, request chat.NewConversation) (account.Answer, error) {
	people, err := c.invitees(ctx, request.People)
	if err != nil {
		return account.Answer{}, err
	}
	req := &pb.CreateConversationRequest{ClientGeneratedId: proto.Uint64(id), Type: pb.ConversationType_CONVERSATION_TYPE_GROUP.Enum(), InviteeId: people}
	if request.Kind == chat.OneToOne {
		req.Type = pb.ConversationType_CONVERSATION_TYPE_ONE_TO_ONE.Enum()
	} else if request.Name != "" {
		req.Name = proto.String(request.Name)
	}
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.CreateConversationResponse, error) {
		return client.CreateConversation(ctx, req)
	})
	if err != nil {
		return account.Answer{}, err
	}
	delta, ok := conversation(answer.GetConversation())
	if !ok || !delta.Complete {
		return account.Answer{}, fmt.Errorf("%w: the answer has no conversation", account.ErrAmbiguous)
	}
	return telling(delta), nil
}

// attach adds what a message carries: one photo that was uploaded and one place at most.
func attach(req *pb.SendChatMessageRequest, list []chat.Attachment) error {
	for _, a := range list {
		switch {
		case a.Kind == chat.AttachPlace && req.Location == nil:
			req.Location = &pb.Location{Place: placeOf(a)}
		case a.Kind == chat.AttachPhoto && req.ExistingMedia == nil:
			var ref mediaRef
			if json.Unmarshal(a.Ref, &ref) != nil || ref.PhotoID == "" {
				return fmt.Errorf("%w: the photo was not uploaded", chat.ErrRefused)
			}
			req.ExistingMedia = hangouts.PhotoByID(ref.PhotoID, "")
		default:
			return fmt.Errorf("%w: attachment of the kind %s", chat.ErrUnsupported, a.Kind)
		}
	}
	return nil
}

func placeOf(a chat.Attachment) *pb.Place {
	place := &pb.Place{Name: proto.String(a.Name), Geo: &pb.EmbedItem{GeoCoordinates: &pb.EmbedItem_GeoCoordinates{
		Latitude: proto.Float64(a.Latitude), Longitude: proto.Float64(a.Longitude)}}}
	if a.Address != "" {
		place.Address = &pb.EmbedItem{PostalAddress: &pb.EmbedItem_PostalAddress{StreetAddress: proto.String(a.Address)}}
	}
	return place
}
