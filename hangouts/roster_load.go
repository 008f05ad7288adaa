package hangouts

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

const (
	rosterPage  = 100 // conversations of an answer, and people of a request
	rosterPages = 100
	// resyncEvents is how many events of each conversation are fetched after ErrResync.
	resyncEvents = 50
)

// load fetches all conversations with their newest events, and their members (protocol §12.2).
func (r *Roster) load(ctx context.Context, events uint64) ([]*pb.ConversationState, error) {
	info, err := r.client.GetSelfInfo(ctx, &pb.GetSelfInfoRequest{})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.self = info.GetSelfEntity().GetId().GetGaiaId()
	r.mu.Unlock()
	req := &pb.SyncRecentConversationsRequest{
		MaxConversations: proto.Uint64(rosterPage), MaxEventsPerConversation: proto.Uint64(events),
		SyncFilter: []pb.SyncFilter{pb.SyncFilter_SYNC_FILTER_INBOX, pb.SyncFilter_SYNC_FILTER_ARCHIVED},
	}
	var all []*pb.ConversationState
	var loaded uint64
	for range rosterPages {
		answer, err := r.client.SyncRecentConversations(ctx, req)
		if err != nil {
			return nil, err
		}
		if loaded == 0 {
			loaded = answer.GetResponseHeader().GetCurrentServerTime()
		}
		all = append(all, answer.GetConversationState()...)
		end := answer.GetContinuationEndTimestamp()
		if end == 0 || end == req.GetLastEventTimestamp() {
			break
		}
		req.LastEventTimestamp = proto.Uint64(end)
	}
	entities, err := r.lookUp(ctx, all)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range append(entities, info.GetSelfEntity()) {
		r.entityLocked(e)
	}
	for _, state := range all {
		r.wholeLocked(state.GetConversation())
	}
	if r.start == 0 {
		r.start, r.newest = loaded, loaded
	}
	return all, nil
}

// lookUp fetches the people of conversations.
func (r *Roster) lookUp(ctx context.Context, states []*pb.ConversationState) (list []*pb.Entity, err error) {
	var specs []*pb.EntityLookupSpec
	asked := map[string]bool{"": true}
	for _, state := range states {
		for _, data := range state.GetConversation().GetParticipantData() {
			if id := data.GetId().GetGaiaId(); !asked[id] {
				asked[id] = true
				specs = append(specs, &pb.EntityLookupSpec{GaiaId: proto.String(id), CreateOffnetworkGaia: proto.Bool(true)})
			}
		}
	}
	for part := range slices.Chunk(specs, rosterPage) {
		answer, err := r.client.GetEntityByID(ctx, &pb.GetEntityByIdRequest{BatchLookupSpec: part})
		if err != nil {
			return nil, err
		}
		for _, result := range answer.GetEntityResult() {
			list = append(list, result.GetEntity()...)
		}
	}
	return list, nil
}

// entityLocked applies the result of a lookup.
func (r *Roster) entityLocked(e *pb.Entity) {
	id, properties := e.GetId().GetGaiaId(), e.GetProperties()
	if id == "" {
		return
	}
	p := Person{GaiaID: id, Name: EntityName(e), PhotoURL: PhotoURL(properties.GetPhotoUrl()), Self: id == r.self}
	for _, email := range append([]string{properties.GetCanonicalEmail()}, properties.GetEmail()...) {
		if email != "" && !slices.Contains(p.Emails, email) {
			p.Emails = append(p.Emails, email)
		}
	}
	if known, ok := r.people[id]; ok {
		p.Name = p.Name.Upgrade(known.Name)
	}
	r.people[id] = p
}

// mergeLocked applies a conversation or a change of one, and the names of its members (protocol §11.3, §12.1).
func (r *Roster) mergeLocked(delta *pb.Conversation) {
	id := delta.GetConversationId().GetId()
	if id == "" {
		return
	}
	for _, data := range delta.GetParticipantData() {
		gaia := data.GetId().GetGaiaId()
		p, known := r.people[gaia]
		if !known {
			p = Person{GaiaID: gaia, Self: gaia == r.self}
			p.Name = ParticipantName(data)
		}
		p.Name = p.Name.Upgrade(ParticipantName(data))
		r.people[gaia] = p
	}
	r.conversations[id] = MergeConversation(r.conversations[id], delta)
}

// wholeLocked applies a complete conversation: one without a name has none.
func (r *Roster) wholeLocked(c *pb.Conversation) {
	r.mergeLocked(c)
	if kept := r.conversations[c.GetConversationId().GetId()]; kept != nil {
		kept.Name = c.Name
	}
}
