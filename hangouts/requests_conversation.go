package hangouts

import (
	"context"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Requests about conversations. Beside what each names, every request fails with a NetworkError for
// transport, HTTP status and response status, with ErrUntrustedHost, and with ErrBadRequest for a
// message that is nil or lacks a required field; see errors.go. The request header is added.

// CreateConversation finds or makes a conversation. A one-to-one conversation exists once per pair:
// new_conversation_created reports whether it is new. The invitees do not include the account itself.
// Pushes a conversation update to all members, for a new group with its ADD_USER event [U]. Refused
// with status 4 without a valid invitee for one-to-one or with an unknown type. See protocol §8.12.
func (c *Client) CreateConversation(ctx context.Context, req *pb.CreateConversationRequest) (*pb.CreateConversationResponse, error) {
	return invoke[pb.CreateConversationResponse](ctx, c, endpoint{path: "conversations/createconversation", effect: true}, req)
}

// GetConversation returns a conversation with the newest events, or with those before the place of
// event_continuation_token, oldest first; fewer than asked for means that the history begins there.
// Unlike SyncRecentConversations it fills read_state for everybody. Pushes nothing. Refused with
// ErrInvalidConversation when it is unknown or not one's own. See protocol §8.11.
func (c *Client) GetConversation(ctx context.Context, req *pb.GetConversationRequest) (*pb.GetConversationResponse, error) {
	return invoke[pb.GetConversationResponse](ctx, c, endpoint{path: "conversations/getconversation"}, req)
}

// SyncAllNewEvents returns the events at or after last_sync_timestamp (µs), the oldest first, and cuts
// the answer at max_response_size_bytes; [Client.CatchUp] asks for the rest too. sync_timestamp
// normally lags minutes behind the present; in an answer that was cut it is the time of its last event,
// or lies far back. Pushes nothing. Refused only as every request is. See protocol §8.10.
func (c *Client) SyncAllNewEvents(ctx context.Context, req *pb.SyncAllNewEventsRequest) (*pb.SyncAllNewEventsResponse, error) {
	return invoke[pb.SyncAllNewEventsResponse](ctx, c, endpoint{path: "conversations/syncallnewevents"}, req)
}

// SyncRecentConversations returns a page of conversations by ascending sort time, the newest page
// first. The next older page is asked for with the continuation_end_timestamp of this one as
// last_event_timestamp (µs); 0 means that this was the last. Pushes nothing. Refused only as every
// request is. See protocol §8.9.
func (c *Client) SyncRecentConversations(ctx context.Context, req *pb.SyncRecentConversationsRequest) (*pb.SyncRecentConversationsResponse, error) {
	return invoke[pb.SyncRecentConversationsResponse](ctx, c, endpoint{path: "conversations/syncrecentconversations"}, req)
}

// AddUser adds people to a group. Pushes an ADD_USER event to old and new members, to new ones the
// conversation too. Refused with a ConversationTypeError, without being sent, for what was seen to
// be no group; with status 4 without a valid invitee; with ErrInvalidConversation. See protocol
// §8.13.
func (c *Client) AddUser(ctx context.Context, req *pb.AddUserRequest) (*pb.AddUserResponse, error) {
	return invoke[pb.AddUserResponse](ctx, c, endpoint{path: "conversations/adduser", effect: true, groupOnly: req.GetEventRequestHeader().GetConversationId()}, req)
}

// RemoveUser removes a person from a group, or oneself when participant_id is absent. Pushes a
// REMOVE_USER event to the remaining members and the removed one. Refused with a
// ConversationTypeError, without being sent, for what was seen to be no group (see
// DeleteConversation); with ErrInvalidConversation. See protocol §8.14.
func (c *Client) RemoveUser(ctx context.Context, req *pb.RemoveUserRequest) (*pb.RemoveUserResponse, error) {
	return invoke[pb.RemoveUserResponse](ctx, c, endpoint{path: "conversations/removeuser", effect: true, groupOnly: req.GetEventRequestHeader().GetConversationId()}, req)
}

// DeleteConversation clears the own history of a one-to-one conversation up to a time (µs) and
// hides it when nothing remains. Pushes a delete notification to the own clients. Refused with
// ErrInvalidConversation. See protocol §8.15.
func (c *Client) DeleteConversation(ctx context.Context, req *pb.DeleteConversationRequest) (*pb.DeleteConversationResponse, error) {
	return invoke[pb.DeleteConversationResponse](ctx, c, endpoint{path: "conversations/deleteconversation", effect: true}, req)
}

// RenameConversation names a conversation of any type; an empty name clears it. Pushes a
// CONVERSATION_RENAME event to all members. Refused with ErrInvalidConversation. See protocol
// §8.16.
func (c *Client) RenameConversation(ctx context.Context, req *pb.RenameConversationRequest) (*pb.RenameConversationResponse, error) {
	return invoke[pb.RenameConversationResponse](ctx, c, endpoint{path: "conversations/renameconversation", effect: true}, req)
}

// SendChatMessage sends a message. created_event has the server's id and time. Pushes the same event to
// all members, to all clients of the sender too, before or after the answer; it carries the
// client_generated_id of the event_request_header in the sender's own copies, as a decimal string. It
// ends typing. Refused with ErrInvalidConversation, and with status 4 or 3 for a message without
// content. See protocol §8.17.
func (c *Client) SendChatMessage(ctx context.Context, req *pb.SendChatMessageRequest) (*pb.SendChatMessageResponse, error) {
	return invoke[pb.SendChatMessageResponse](ctx, c, endpoint{path: "conversations/sendchatmessage", effect: true}, req)
}

// ModifyOTRStatus turns the history of a conversation on or off. Pushes an OTR_MODIFICATION event
// to all members. Refused with ErrInvalidConversation, with status 4 for an unknown otr_status. See
// protocol §8.18.
func (c *Client) ModifyOTRStatus(ctx context.Context, req *pb.ModifyOTRStatusRequest) (*pb.ModifyOTRStatusResponse, error) {
	return invoke[pb.ModifyOTRStatusResponse](ctx, c, endpoint{path: "conversations/modifyotrstatus", effect: true}, req)
}

// SetTyping shows that the user is typing; nothing is stored and a message ends it by itself.
// Pushes a typing notification to the other members and the user's other clients. Refused with
// ErrInvalidConversation. See protocol §8.19.
func (c *Client) SetTyping(ctx context.Context, req *pb.SetTypingRequest) (*pb.SetTypingResponse, error) {
	return invoke[pb.SetTypingResponse](ctx, c, endpoint{path: "conversations/settyping"}, req)
}

// SetFocus reports for timeout_secs which conversation the user is looking at, so that other devices do
// not notify about it. Pushes a focus notification to the own clients and the members [U]. Refused with
// ErrInvalidConversation. See protocol §8.20.
func (c *Client) SetFocus(ctx context.Context, req *pb.SetFocusRequest) (*pb.SetFocusResponse, error) {
	return invoke[pb.SetFocusResponse](ctx, c, endpoint{path: "conversations/setfocus"}, req)
}

// UpdateWatermark says up to which time (µs) the user has read. A time before the present watermark has
// no effect [U]. Pushes a watermark notification to all members, to the own clients too. Refused with
// ErrInvalidConversation, with status 4 for an invitation that is not accepted. See protocol §8.21.
func (c *Client) UpdateWatermark(ctx context.Context, req *pb.UpdateWatermarkRequest) (*pb.UpdateWatermarkResponse, error) {
	return invoke[pb.UpdateWatermarkResponse](ctx, c, endpoint{path: "conversations/updatewatermark"}, req)
}

// SetConversationNotificationLevel makes a conversation QUIET or lets it RING. Pushes a
// notification level notification to the own clients. Refused with ErrInvalidConversation, with
// status 4 for another level. See protocol §8.22.
func (c *Client) SetConversationNotificationLevel(ctx context.Context, req *pb.SetConversationNotificationLevelRequest) (*pb.SetConversationNotificationLevelResponse, error) {
	return invoke[pb.SetConversationNotificationLevelResponse](ctx, c, endpoint{path: "conversations/setconversationnotificationlevel"}, req)
}

// SetGroupLinkSharingEnabled turns joining a group by link on or off. Pushes a
// GROUP_LINK_SHARING_MODIFICATION event to all members. Refused with a ConversationTypeError,
// without being sent, for what was seen to be no group; with ErrInvalidConversation. See protocol
// §8.23.
func (c *Client) SetGroupLinkSharingEnabled(ctx context.Context, req *pb.SetGroupLinkSharingEnabledRequest) (*pb.SetGroupLinkSharingEnabledResponse, error) {
	return invoke[pb.SetGroupLinkSharingEnabledResponse](ctx, c, endpoint{path: "conversations/setgrouplinksharingenabled", effect: true, groupOnly: req.GetEventRequestHeader().GetConversationId()}, req)
}

// GetGroupConversationURL returns the link by which others join a group. Pushes nothing. Refused
// with a ConversationTypeError, without being sent, for what was seen to be no group; with
// ErrInvalidConversation. See protocol §8.24.
func (c *Client) GetGroupConversationURL(ctx context.Context, req *pb.GetGroupConversationUrlRequest) (*pb.GetGroupConversationUrlResponse, error) {
	return invoke[pb.GetGroupConversationUrlResponse](ctx, c, endpoint{path: "conversations/getgroupconversationurl", groupOnly: req.GetConversationId()}, req)
}

// EasterEgg shows an animation to all members: ponies, pitchforks, bikeshed, shydino. Nothing is
// stored. Pushes an easter egg notification to all members. Refused with status 4 without a
// message, with ErrInvalidConversation. See protocol §8.25.
func (c *Client) EasterEgg(ctx context.Context, req *pb.EasterEggRequest) (*pb.EasterEggResponse, error) {
	return invoke[pb.EasterEggResponse](ctx, c, endpoint{path: "conversations/easteregg", effect: true}, req)
}

// ReplyToInvite accepts or declines an invitation [U]. Pushes the conversation with its new status
// to the own clients. Refused with ErrInvalidConversation, with status 4 for another reply. See
// protocol §8.28.
func (c *Client) ReplyToInvite(ctx context.Context, req *pb.ReplyToInviteRequest) (*pb.ReplyToInviteResponse, error) {
	return invoke[pb.ReplyToInviteResponse](ctx, c, endpoint{path: "conversations/replytoinvite"}, req)
}

// ModifyConversationView archives (ARCHIVED) or unarchives (INBOX) a conversation up to the time
// (µs) of its last event [U]. Pushes a view modification to the own clients. Refused with
// ErrInvalidConversation, with status 4 for another view. See protocol §8.28.
func (c *Client) ModifyConversationView(ctx context.Context, req *pb.ModifyConversationViewRequest) (*pb.ModifyConversationViewResponse, error) {
	return invoke[pb.ModifyConversationViewResponse](ctx, c, endpoint{path: "conversations/modifyconversationview"}, req)
}

// OpenGroupConversationFromURL joins a group by its link and returns its id [U]. Pushes an ADD_USER
// event to old members and the new one. Refused with status 4 or 11 for a link that is unknown or
// turned off [U]. See protocol §8.28.
func (c *Client) OpenGroupConversationFromURL(ctx context.Context, req *pb.OpenGroupConversationFromUrlRequest) (*pb.OpenGroupConversationFromUrlResponse, error) {
	return invoke[pb.OpenGroupConversationFromUrlResponse](ctx, c, endpoint{path: "conversations/opengroupconversationfromurl", effect: true}, req)
}

// MarkEventObserved acknowledges single events, so that they are not offered again at the next
// start [U]. Pushes nothing. Refused with ErrInvalidConversation [U]. See protocol §8.28.
func (c *Client) MarkEventObserved(ctx context.Context, req *pb.MarkEventObservedRequest) (*pb.MarkEventObservedResponse, error) {
	return invoke[pb.MarkEventObservedResponse](ctx, c, endpoint{path: "conversations/markeventobserved"}, req)
}
