package hangouts

import (
	"context"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Requests about people, presence and the own account, with the errors of requests_conversation.go.

// GetSelfInfo returns the account's own person and settings. It works before Connect. Pushes
// nothing. Refused only as every request is. See protocol §8.2.
func (c *Client) GetSelfInfo(ctx context.Context, req *pb.GetSelfInfoRequest) (*pb.GetSelfInfoResponse, error) {
	return invoke[pb.GetSelfInfoResponse](ctx, c, endpoint{path: "contacts/getselfinfo"}, req)
}

// GetEntityByID looks people up by Gaia id, e-mail or phone. Use entity_result: entity misses
// people outside of the network. Unknown ones give an entity without properties, or none. Pushes
// nothing. Refused only as every request is. See protocol §8.3.
func (c *Client) GetEntityByID(ctx context.Context, req *pb.GetEntityByIdRequest) (*pb.GetEntityByIdResponse, error) {
	return invoke[pb.GetEntityByIdResponse](ctx, c, endpoint{path: "contacts/getentitybyid"}, req)
}

// GetSuggestedEntities returns groups of contacts. A group whose hash was sent and still holds
// comes without contacts and with hash_matched. Pushes nothing. Refused only as every request is.
// See protocol §8.4.
func (c *Client) GetSuggestedEntities(ctx context.Context, req *pb.GetSuggestedEntitiesRequest) (*pb.GetSuggestedEntitiesResponse, error) {
	return invoke[pb.GetSuggestedEntitiesResponse](ctx, c, endpoint{path: "contacts/getsuggestedentities"}, req)
}

// SearchEntities searches people by name or address, at most max_count. Pushes nothing. Refused
// only as every request is. See protocol §8.5.
func (c *Client) SearchEntities(ctx context.Context, req *pb.SearchEntitiesRequest) (*pb.SearchEntitiesResponse, error) {
	return invoke[pb.SearchEntitiesResponse](ctx, c, endpoint{path: "contacts/searchentities"}, req)
}

// QueryPresence returns the presence of people, only the fields of the mask. Pushes nothing.
// Refused with status 4 when somebody is named twice. See protocol §8.6.
func (c *Client) QueryPresence(ctx context.Context, req *pb.QueryPresenceRequest) (*pb.QueryPresenceResponse, error) {
	return invoke[pb.QueryPresenceResponse](ctx, c, endpoint{path: "presence/querypresence"}, req)
}

// SetPresence sets the own presence, do not disturb, or the status message; what is absent stays.
// Pushes a self presence notification to the own clients and a presence notification to contacts.
// Refused with status 4 for malformed settings [U]. See protocol §8.7.
func (c *Client) SetPresence(ctx context.Context, req *pb.SetPresenceRequest) (*pb.SetPresenceResponse, error) {
	return invoke[pb.SetPresenceResponse](ctx, c, endpoint{path: "presence/setpresence"}, req)
}

// SetActiveClient makes this client the active one for timeout_secs, or ends that; SetActive does so at
// the right pace. Pushes nothing, but the headers of later pushes show it. Refused only as every
// request is. See protocol §8.8.
func (c *Client) SetActiveClient(ctx context.Context, req *pb.SetActiveClientRequest) (*pb.SetActiveClientResponse, error) {
	return invoke[pb.SetActiveClientResponse](ctx, c, endpoint{path: "clients/setactiveclient"}, req)
}

// SendOffnetworkInvitation mails an invitation to somebody without an account. Pushes nothing.
// Refused with status 4 without an address. See protocol §8.26.
func (c *Client) SendOffnetworkInvitation(ctx context.Context, req *pb.SendOffnetworkInvitationRequest) (*pb.SendOffnetworkInvitationResponse, error) {
	return invoke[pb.SendOffnetworkInvitationResponse](ctx, c, endpoint{path: "devices/sendoffnetworkinvitation", effect: true}, req)
}
