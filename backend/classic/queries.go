package classic

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

const (
	// syncSize is how many bytes an answer of Sync may have, as the reference asks.
	syncSize = 1 << 20
	// usualLag bounds how far behind the present sync_timestamp normally lies: 4 to 5
	// minutes (protocol §8.9). An older one means that the answer was cut.
	usualLag = 10 * time.Minute
)

// Sync implements account.Connection (protocol §8.10). An answer whose sync_timestamp is
// the time of its last event, or lies far back, was cut there; one whose sync_timestamp is
// what was asked from says nothing at all.
func (c *connection) Sync(ctx context.Context, since int64) (account.SyncPage, error) {
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.SyncAllNewEventsResponse, error) {
		return client.SyncAllNewEvents(ctx, &pb.SyncAllNewEventsRequest{
			LastSyncTimestamp: proto.Uint64(uint64(since)), MaxResponseSizeBytes: proto.Uint64(syncSize)})
	})
	if err != nil {
		return account.SyncPage{}, err
	}
	page := account.SyncPage{Update: states(answer.GetConversationState()), Stale: answer.GetClearCacheAndResync()}
	c.learn(&page.Update)
	var newest int64
	for _, e := range page.Events {
		newest = max(newest, e.Time)
	}
	now := int64(answer.GetResponseHeader().GetCurrentServerTime())
	synced := int64(answer.GetSyncTimestamp())
	page.SyncedTo = now
	if newest == 0 && synced == since {
		page.Cut, page.SyncedTo = true, since
	}
	if newest > 0 && (synced == newest || now-synced > usualLag.Microseconds()) {
		page.Cut, page.SyncedTo = true, newest
	}
	return page, nil
}

// Conversations implements account.Connection (protocol §8.9).
func (c *connection) Conversations(ctx context.Context, before int64, limit int) (account.ConversationPage, error) {
	req := &pb.SyncRecentConversationsRequest{
		MaxConversations: proto.Uint64(uint64(limit)), MaxEventsPerConversation: proto.Uint64(1),
		SyncFilter: []pb.SyncFilter{pb.SyncFilter_SYNC_FILTER_INBOX, pb.SyncFilter_SYNC_FILTER_ARCHIVED},
	}
	if before != 0 {
		req.LastEventTimestamp = proto.Uint64(uint64(before))
	}
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.SyncRecentConversationsResponse, error) {
		return client.SyncRecentConversations(ctx, req)
	})
	if err != nil {
		return account.ConversationPage{}, err
	}
	page := account.ConversationPage{Update: states(answer.GetConversationState()),
		Next: int64(answer.GetContinuationEndTimestamp()), Time: int64(answer.GetResponseHeader().GetCurrentServerTime())}
	c.learn(&page.Update)
	return page, nil
}

// History implements account.Connection (protocol §8.11).
func (c *connection) History(ctx context.Context, id chat.ConversationID, before account.HistoryToken, limit int) (account.HistoryPage, error) {
	req := &pb.GetConversationRequest{
		ConversationSpec:            &pb.ConversationSpec{ConversationId: conversationID(id)},
		IncludeConversationMetadata: proto.Bool(true), IncludeEvent: proto.Bool(true),
		MaxEventsPerConversation: proto.Uint64(uint64(limit)),
	}
	if before.Time != 0 || before.Event != "" || len(before.Token) > 0 {
		token := &pb.EventContinuationToken{StorageContinuationToken: before.Token}
		if before.Event != "" {
			token.EventId = proto.String(before.Event)
		}
		if before.Time != 0 {
			token.EventTimestamp = proto.Uint64(uint64(before.Time))
		}
		req.EventContinuationToken = token
	}
	answer, err := call(ctx, c, func(client *hangouts.Client) (*pb.GetConversationResponse, error) {
		return client.GetConversation(ctx, req)
	})
	if err != nil {
		return account.HistoryPage{}, err
	}
	state := answer.GetConversationState()
	page := account.HistoryPage{Update: states([]*pb.ConversationState{state}), End: len(state.GetEvent()) < limit}
	c.learn(&page.Update)
	token := state.GetEventContinuationToken()
	page.Next = account.HistoryToken{Event: token.GetEventId(), Time: int64(token.GetEventTimestamp()), Token: token.GetStorageContinuationToken()}
	oldest := oldestOf(state.GetEvent())
	if page.Next.Time == 0 && oldest > 0 {
		page.Next = account.HistoryToken{Time: oldest}
	}
	page.CompleteFrom = max(oldest, page.Next.Time) // the next page has what is before its token
	return page, nil
}

// oldestOf is the time (µs) of the oldest of some events, also of those that have no form here.
func oldestOf(events []*pb.Event) (oldest int64) {
	for _, e := range events {
		if at := int64(e.GetTimestamp()); oldest == 0 || at < oldest {
			oldest = at
		}
	}
	return oldest
}
