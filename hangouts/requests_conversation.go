package hangouts

import (
	"context"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Requests about conversations. Each returns a NetworkError when it fails, see there, and
// ErrBadRequest for a message that cannot be sent.

// CreateConversation finds or makes a conversation. A one-to-one conversation exists once per
// pair: new_conversation_created tells whether it is new. Invitees exclude oneself. Pushes a
// conversation update to all members. See protocol §8.12.
func (c *Client) CreateConversation(ctx context.Context, req *pb.CreateConversationRequest) (*pb.CreateConversationResponse, error) {
	return invoke[pb.CreateConversationResponse](ctx, c, endpoint{path: "conversations/createconversation", effect: true}, req)
}

// GetConversation returns a conversation with the newest events, or with those before the place
// of event_continuation_token, oldest first. Unlike SyncRecentConversations it fills read_state
// for everybody. ErrInvalidConversation when it is unknown or not one's own. See protocol §8.11.
func (c *Client) GetConversation(ctx context.Context, req *pb.GetConversationRequest) (*pb.GetConversationResponse, error) {
	return invoke[pb.GetConversationResponse](ctx, c, endpoint{path: "conversations/getconversation"}, req)
}

// SyncAllNewEvents returns all events at or after last_sync_timestamp (µs). sync_timestamp lags
// minutes behind the present. See protocol §8.10.
func (c *Client) SyncAllNewEvents(ctx context.Context, req *pb.SyncAllNewEventsRequest) (*pb.SyncAllNewEventsResponse, error) {
	return invoke[pb.SyncAllNewEventsResponse](ctx, c, endpoint{path: "conversations/syncallnewevents"}, req)
}

// SyncRecentConversations returns a page of conversations by ascending sort time, the newest
// page first. The next older page is asked for with the continuation_end_timestamp of this one
// as last_event_timestamp (µs); 0 means that this was the last. See protocol §8.9.
func (c *Client) SyncRecentConversations(ctx context.Context, req *pb.SyncRecentConversationsRequest) (*pb.SyncRecentConversationsResponse, error) {
	return invoke[pb.SyncRecentConversationsResponse](ctx, c, endpoint{path: "conversations/syncrecentconversations"}, req)
}

// AddUser adds people to a group. Status 4 without a valid invitee. Pushes an ADD_USER event to
// old and new members. See protocol §8.13.
func (c *Client) AddUser(ctx context.Context, req *pb.AddUserRequest) (*pb.AddUserResponse, error) {
	return invoke[pb.AddUserResponse](ctx, c, endpoint{path: "conversations/adduser", effect: true}, req)
}

// RemoveUser removes a person from a group, or oneself when participant_id is absent. Pushes a
// REMOVE_USER event to the remaining members and the removed one. See protocol §8.14.
func (c *Client) RemoveUser(ctx context.Context, req *pb.RemoveUserRequest) (*pb.RemoveUserResponse, error) {
	return invoke[pb.RemoveUserResponse](ctx, c, endpoint{path: "conversations/removeuser", effect: true}, req)
}

// DeleteConversation clears the own history of a one-to-one conversation up to a time (µs) and
// hides it. Pushes a delete notification to the own clients. See protocol §8.15.
func (c *Client) DeleteConversation(ctx context.Context, req *pb.DeleteConversationRequest) (*pb.DeleteConversationResponse, error) {
	return invoke[pb.DeleteConversationResponse](ctx, c, endpoint{path: "conversations/deleteconversation", effect: true}, req)
}

// RenameConversation names a conversation; an empty name clears it. Pushes a CONVERSATION_RENAME
// event to all members. See protocol §8.16.
func (c *Client) RenameConversation(ctx context.Context, req *pb.RenameConversationRequest) (*pb.RenameConversationResponse, error) {
	return invoke[pb.RenameConversationResponse](ctx, c, endpoint{path: "conversations/renameconversation", effect: true}, req)
}

// SendChatMessage sends a message. created_event has the server's id and time; the same event is
// pushed to all members, to all clients of the sender too, before or after the answer. It comes
// back with the client_generated_id of the event_request_header in the sender's own copies, as a
// decimal string. ErrInvalidConversation when the conversation is unknown. See protocol §8.17.
func (c *Client) SendChatMessage(ctx context.Context, req *pb.SendChatMessageRequest) (*pb.SendChatMessageResponse, error) {
	return invoke[pb.SendChatMessageResponse](ctx, c, endpoint{path: "conversations/sendchatmessage", effect: true}, req)
}

// ModifyOTRStatus turns the history of a conversation on or off. Pushes an OTR_MODIFICATION
// event to all members. See protocol §8.18.
func (c *Client) ModifyOTRStatus(ctx context.Context, req *pb.ModifyOTRStatusRequest) (*pb.ModifyOTRStatusResponse, error) {
	return invoke[pb.ModifyOTRStatusResponse](ctx, c, endpoint{path: "conversations/modifyotrstatus", effect: true}, req)
}

// SetTyping shows that the user is typing. Pushes a typing notification to the other members;
// nothing is stored. A message ends typing by itself. See protocol §8.19.
func (c *Client) SetTyping(ctx context.Context, req *pb.SetTypingRequest) (*pb.SetTypingResponse, error) {
	return invoke[pb.SetTypingResponse](ctx, c, endpoint{path: "conversations/settyping"}, req)
}

// SetFocus shows which conversation the user looks at. Pushes a focus notification. See protocol
// §8.20.
func (c *Client) SetFocus(ctx context.Context, req *pb.SetFocusRequest) (*pb.SetFocusResponse, error) {
	return invoke[pb.SetFocusResponse](ctx, c, endpoint{path: "conversations/setfocus"}, req)
}

// UpdateWatermark says up to which time (µs) the user has read. Pushes a watermark notification
// to all members, to the own clients too. A time before the present mark has no effect [U].
// Status 4 for an invitation that is not accepted. See protocol §8.21.
func (c *Client) UpdateWatermark(ctx context.Context, req *pb.UpdateWatermarkRequest) (*pb.UpdateWatermarkResponse, error) {
	return invoke[pb.UpdateWatermarkResponse](ctx, c, endpoint{path: "conversations/updatewatermark"}, req)
}

// SetConversationNotificationLevel makes a conversation QUIET or lets it RING. Pushes a
// notification to the own clients. See protocol §8.22.
func (c *Client) SetConversationNotificationLevel(ctx context.Context, req *pb.SetConversationNotificationLevelRequest) (*pb.SetConversationNotificationLevelResponse, error) {
	return invoke[pb.SetConversationNotificationLevelResponse](ctx, c, endpoint{path: "conversations/setconversationnotificationlevel"}, req)
}

// SetGroupLinkSharingEnabled turns joining a group by link on or off. Pushes a
// GROUP_LINK_SHARING_MODIFICATION event to all members. See protocol §8.23.
func (c *Client) SetGroupLinkSharingEnabled(ctx context.Context, req *pb.SetGroupLinkSharingEnabledRequest) (*pb.SetGroupLinkSharingEnabledResponse, error) {
	return invoke[pb.SetGroupLinkSharingEnabledResponse](ctx, c, endpoint{path: "conversations/setgrouplinksharingenabled", effect: true}, req)
}

// GetGroupConversationURL returns the link by which others join a group. See protocol §8.24.
func (c *Client) GetGroupConversationURL(ctx context.Context, req *pb.GetGroupConversationUrlRequest) (*pb.GetGroupConversationUrlResponse, error) {
	return invoke[pb.GetGroupConversationUrlResponse](ctx, c, endpoint{path: "conversations/getgroupconversationurl"}, req)
}

// EasterEgg shows an animation to all members: ponies, pitchforks, bikeshed, shydino. Nothing is
// stored. See protocol §8.25.
func (c *Client) EasterEgg(ctx context.Context, req *pb.EasterEggRequest) (*pb.EasterEggResponse, error) {
	return invoke[pb.EasterEggResponse](ctx, c, endpoint{path: "conversations/easteregg", effect: true}, req)
}

// ReplyToInvite accepts or declines an invitation [U]. Pushes the conversation with its new
// status. See protocol §8.28.
func (c *Client) ReplyToInvite(ctx context.Context, req *pb.ReplyToInviteRequest) (*pb.ReplyToInviteResponse, error) {
	return invoke[pb.ReplyToInviteResponse](ctx, c, endpoint{path: "conversations/replytoinvite"}, req)
}

// ModifyConversationView archives (ARCHIVED) or unarchives (INBOX) a conversation up to the time
// (µs) of its last event [U]. Pushes a view modification to the own clients. See protocol §8.28.
func (c *Client) ModifyConversationView(ctx context.Context, req *pb.ModifyConversationViewRequest) (*pb.ModifyConversationViewResponse, error) {
	return invoke[pb.ModifyConversationViewResponse](ctx, c, endpoint{path: "conversations/modifyconversationview"}, req)
}

// OpenGroupConversationFromURL joins a group by its link [U]. See protocol §8.28.
func (c *Client) OpenGroupConversationFromURL(ctx context.Context, req *pb.OpenGroupConversationFromUrlRequest) (*pb.OpenGroupConversationFromUrlResponse, error) {
	return invoke[pb.OpenGroupConversationFromUrlResponse](ctx, c, endpoint{path: "conversations/opengroupconversationfromurl", effect: true}, req)
}

// MarkEventObserved acknowledges single events [U]. See protocol §8.28.
func (c *Client) MarkEventObserved(ctx context.Context, req *pb.MarkEventObservedRequest) (*pb.MarkEventObservedResponse, error) {
	return invoke[pb.MarkEventObservedResponse](ctx, c, endpoint{path: "conversations/markeventobserved"}, req)
}
