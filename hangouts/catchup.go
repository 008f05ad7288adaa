package hangouts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

var (
	// ErrNoProgress means that the server repeats the same answer instead of going on. Try later.
	ErrNoProgress = errors.New("hangouts: the catch-up makes no progress")
	// ErrResync means that the server no longer knows what happened after a time: load all
	// conversations again.
	ErrResync = errors.New("hangouts: the server no longer has what came since; load all conversations again")
)

const (
	catchUpSize = 1 << 20 // bytes of an answer, as the reference asks for
	// usualLag bounds how far sync_timestamp normally lies behind the present (protocol §8.9).
	usualLag = 10 * time.Minute
)

// CatchUp passes everything that happened at or after a time (µs) to page, and asks for further pages
// until an answer was not cut (protocol §8.10). No event comes twice. It returns the time up to which
// page got everything, also together with an error; the next catch-up starts there. The error is that
// of a request or of page, ErrNoProgress or ErrResync.
func (c *Client) CatchUp(ctx context.Context, since uint64, page func([]*pb.ConversationState) error) (uint64, error) {
	seen := newSeen(maxSeen)
	for {
		answer, err := c.SyncAllNewEvents(ctx, &pb.SyncAllNewEventsRequest{
			LastSyncTimestamp: proto.Uint64(since), MaxResponseSizeBytes: proto.Uint64(catchUpSize),
		})
		if err != nil {
			return since, err
		}
		if answer.GetClearCacheAndResync() {
			return since, ErrResync
		}
		states, fresh, newest := freshStates(answer.GetConversationState(), seen)
		if len(states) > 0 {
			if err := page(states); err != nil {
				return since, err
			}
		}
		if !cut(answer, since, newest) {
			return max(since, newest, answer.GetResponseHeader().GetCurrentServerTime()), nil
		}
		if fresh == 0 && newest <= since {
			return since, fmt.Errorf("%w after %s", ErrNoProgress, FromMicros(since).Format(time.RFC3339Nano))
		}
		since = max(since, newest)
	}
}

// cut reports whether an answer ends before the present: its sync_timestamp is the time of its last event, or lies far
// back. Without events, a sync_timestamp equal to the requested time means that the server made no progress.
func cut(answer *pb.SyncAllNewEventsResponse, since, newest uint64) bool {
	now, synced := answer.GetResponseHeader().GetCurrentServerTime(), answer.GetSyncTimestamp()
	if newest == 0 {
		return synced == since
	}
	return synced == newest || synced+uint64(usualLag.Microseconds()) < now
}

// freshStates leaves out events that were seen, and gives the number of the others and the time of the newest of all.
func freshStates(states []*pb.ConversationState, seen *seenIDs) (left []*pb.ConversationState, fresh int, newest uint64) {
	for _, state := range states {
		one := &pb.ConversationState{
			ConversationId: state.ConversationId, Conversation: state.Conversation, EventContinuationToken: state.EventContinuationToken,
		}
		for _, e := range state.GetEvent() {
			newest = max(newest, e.GetTimestamp())
			if seen.add(e.GetEventId()) {
				one.Event = append(one.Event, e)
			}
		}
		fresh += len(one.Event)
		left = append(left, one)
	}
	return left, fresh, newest
}

// maxSeen is how many event ids are remembered.
const maxSeen = 20_000

// seenIDs remembers the newest ids that were added.
type seenIDs struct {
	limit int
	ids   map[string]bool
	order []string // a ring once it is full
	next  int
}

func newSeen(limit int) *seenIDs { return &seenIDs{limit: limit, ids: map[string]bool{}} }

func (s *seenIDs) has(id string) bool { return s.ids[id] }

// add reports whether an id is new. An empty one always is.
func (s *seenIDs) add(id string) bool {
	if id == "" || s.ids[id] {
		return id == ""
	}
	s.ids[id] = true
	if len(s.order) < s.limit {
		s.order = append(s.order, id)
		return true
	}
	delete(s.ids, s.order[s.next])
	s.order[s.next] = id
	s.next = (s.next + 1) % s.limit
	return true
}
