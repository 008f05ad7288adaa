package hangoutstest

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Defaults of requests that give no limit (protocol §8.9-8.11).
const (
	defaultConversations = 25
	defaultRecentEvents  = 10
	defaultHistoryEvents = 50
	maxHistoryEvents     = 1000
	defaultSyncSize      = 1 << 20
)

func sortEvents(list []EventInfo) {
	slices.SortFunc(list, func(a, b EventInfo) int { return cmp.Compare(a.TimestampUS, b.TimestampUS) })
}

// place finds a conversation the caller is a member of (status 8 otherwise).
func (c *call) place(id *pb.ConversationId) (*conversation, *member, error) {
	conv := c.s.world.convs[id.GetId()]
	if conv == nil {
		return nil, nil, errNoConversation
	}
	m := conv.member(c.person.GaiaID)
	if m == nil {
		return nil, nil, errNoConversation
	}
	return conv, m, nil
}

func token(e *event) *pb.EventContinuationToken {
	return &pb.EventContinuationToken{
		EventId: proto.String(e.id()), StorageContinuationToken: []byte("t" + e.id()), EventTimestamp: proto.Uint64(e.us())}
}

// history leaves out group link events, unless the client_id is a recognised one (protocol §8.1).
func (c *call) history(events []*event) []*event {
	if c.known {
		return events
	}
	return slices.DeleteFunc(events, func(e *event) bool { return e.pb.GroupLinkSharingModification != nil })
}

func (c *call) syncTimestamp() uint64 {
	lag := uint64(c.s.settings.SyncLag.Duration() / time.Microsecond)
	return max(c.s.world.lastUS, lag) - lag
}

// syncRecentConversations: protocol §8.9. Pages go from new to old, each ascending.
func (c *call) syncRecentConversations(req *pb.SyncRecentConversationsRequest) (*pb.SyncRecentConversationsResponse, error) {
	now := c.s.nowLocked()
	inbox := len(req.GetSyncFilter()) == 0 || slices.Contains(req.GetSyncFilter(), pb.SyncFilter_SYNC_FILTER_INBOX)
	archived := slices.Contains(req.GetSyncFilter(), pb.SyncFilter_SYNC_FILTER_ARCHIVED)
	type entry struct {
		conv *conversation
		m    *member
	}
	var list []entry
	for _, id := range c.s.world.convIDs {
		conv := c.s.world.convs[id]
		m := conv.member(c.person.GaiaID)
		if m == nil || conv.hidden(m) || (m.Archived && !archived) || (!m.Archived && !inbox) {
			continue
		}
		if before := req.GetLastEventTimestamp(); before != 0 && m.SortUS >= before {
			continue
		}
		list = append(list, entry{conv, m})
	}
	slices.SortStableFunc(list, func(a, b entry) int { return cmp.Compare(a.m.SortUS, b.m.SortUS) })
	limit := int(min(req.GetMaxConversations(), 1000))
	if limit == 0 {
		limit = defaultConversations
	}
	resp := &pb.SyncRecentConversationsResponse{SyncTimestamp: proto.Uint64(c.syncTimestamp()), ContinuationEndTimestamp: proto.Uint64(0)}
	if len(list) > limit {
		list = list[len(list)-limit:]
		resp.ContinuationEndTimestamp = proto.Uint64(list[0].m.SortUS)
	}
	perConv := int(min(req.GetMaxEventsPerConversation(), maxHistoryEvents))
	if req.MaxEventsPerConversation == nil {
		perConv = defaultRecentEvents
	}
	for _, e := range list {
		events := e.conv.visible(e.m, now)
		events = events[max(len(events)-perConv, 0):]
		resp.ConversationState = append(resp.ConversationState, c.state(e.conv, e.m, events, readSelf))
	}
	return resp, nil
}

// state renders a conversation with events; the token points before the first of them.
func (c *call) state(conv *conversation, m *member, events []*event, reads readStates) *pb.ConversationState {
	out := &pb.ConversationState{
		ConversationId: conversationID(conv.ID),
		Conversation:   c.s.renderConversation(conv, m, reads),
	}
	for _, e := range events {
		out.Event = append(out.Event, c.event(conv, e, m))
	}
	if len(events) > 0 {
		out.EventContinuationToken = token(events[0])
	}
	return out
}

// syncAllNewEvents: protocol §8.10. Everything at or after the time, cut after whole events;
// at least two events are given, so that a client that goes on from sync_timestamp advances.
func (c *call) syncAllNewEvents(req *pb.SyncAllNewEventsRequest) (*pb.SyncAllNewEventsResponse, error) {
	now := c.s.nowLocked()
	resp := &pb.SyncAllNewEventsResponse{SyncTimestamp: proto.Uint64(c.syncTimestamp())}
	if pick(c.faults, FaultClearCache) != nil {
		resp.ClearCacheAndResync = proto.Bool(true)
		return resp, nil
	}
	if pick(c.faults, FaultSyncStuck) != nil {
		resp.SyncTimestamp = proto.Uint64(req.GetLastSyncTimestamp())
		return resp, nil
	}
	due := c.newEvents(req.GetLastSyncTimestamp(), now)
	kept := c.cut(due, req)
	if len(kept) < len(due) {
		resp.SyncTimestamp = proto.Uint64(kept[len(kept)-1].e.us())
	}
	byConv := map[string][]*event{}
	var order []string
	for _, d := range kept {
		if byConv[d.conv.ID] == nil {
			order = append(order, d.conv.ID)
		}
		byConv[d.conv.ID] = append(byConv[d.conv.ID], d.e)
	}
	for _, id := range order {
		conv := c.s.world.convs[id]
		resp.ConversationState = append(resp.ConversationState, c.state(conv, conv.anyMember(c.person.GaiaID), byConv[id], readSelf))
	}
	return resp, nil
}

// dueEvent is an event to be synchronised with its place.
type dueEvent struct {
	conv *conversation
	e    *event
}

// newEvents lists, in order of time, what the caller may see from a time on; of a group
// they left, up to their own leaving.
func (c *call) newEvents(since, now uint64) []dueEvent {
	var due []dueEvent
	for _, id := range c.s.world.convIDs {
		conv := c.s.world.convs[id]
		m := conv.anyMember(c.person.GaiaID)
		if m == nil {
			continue
		}
		for _, e := range conv.visibleSince(m, now, since) {
			due = append(due, dueEvent{conv, e})
		}
	}
	slices.SortStableFunc(due, func(a, b dueEvent) int { return cmp.Compare(a.e.us(), b.e.us()) })
	return due
}

func (c *call) cut(due []dueEvent, req *pb.SyncAllNewEventsRequest) []dueEvent {
	size, limit := uint64(0), req.GetMaxResponseSizeBytes()
	if limit == 0 {
		limit = defaultSyncSize
	}
	count := len(due)
	if n := c.s.settings.SyncMaxEvents; n > 0 {
		count = min(count, n)
	}
	if n := req.GetMaxTotalEvents(); n > 0 {
		count = int(min(uint64(count), n))
	}
	if f := pick(c.faults, FaultSyncCut); f != nil {
		count = min(count, f.Limit)
	}
	count = max(count, min(len(due), 2))
	for i, d := range due[:count] {
		// The personal state of the event adds about 60 bytes, its base64 form a third.
		size += uint64(proto.Size(d.e.pb)+60) * 4 / 3
		if size > limit && i >= 2 {
			return due[:i]
		}
	}
	return due[:count]
}

// getConversation: protocol §8.11.
func (c *call) getConversation(req *pb.GetConversationRequest) (*pb.GetConversationResponse, error) {
	conv, m, err := c.place(req.GetConversationSpec().GetConversationId())
	if err != nil {
		return nil, err
	}
	now := c.s.nowLocked()
	out := &pb.ConversationState{ConversationId: conversationID(conv.ID)}
	if req.IncludeConversationMetadata == nil || req.GetIncludeConversationMetadata() {
		out.Conversation = c.s.renderConversation(conv, m, readAll)
	}
	if req.IncludeEvent == nil || req.GetIncludeEvent() {
		events := c.history(conv.visible(m, now))
		if t := req.GetEventContinuationToken(); t != nil {
			events = before(conv, events, t)
		}
		limit := int(min(req.GetMaxEventsPerConversation(), maxHistoryEvents))
		if limit == 0 {
			limit = defaultHistoryEvents
		}
		events = events[max(len(events)-limit, 0):]
		for _, e := range events {
			out.Event = append(out.Event, c.event(conv, e, m))
		}
		if len(events) > 0 {
			out.EventContinuationToken = token(events[0])
		}
	}
	return &pb.GetConversationResponse{ConversationState: out}, nil
}

// before keeps the events in front of a token's position; a time alone is enough.
func before(conv *conversation, events []*event, t *pb.EventContinuationToken) []*event {
	bound := t.GetEventTimestamp()
	if e := conv.byID[t.GetEventId()]; bound == 0 && e != nil {
		bound = e.us()
	}
	if bound == 0 {
		return events
	}
	n, _ := slices.BinarySearchFunc(events, bound, func(e *event, us uint64) int { return cmp.Compare(e.us(), us) })
	return events[:n]
}
