package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// placeSlack is how much older than the newest known event one may be that is missing: clocks
// differ, and homeservers push late.
const placeSlack = time.Hour

// unknown is missed for a token that the homeserver does not know, as that of a restored backup
// may be: what its rooms have after the last event that the database knows.
func (w *watch) unknown(ctx context.Context) (rows []database.InboxRow, next string, err error) {
	until := w.inbox.heldAfter()
	latest, err := w.inbox.store.Received(ctx, until)
	if err != nil {
		return nil, "", err
	}
	if latest == 0 {
		return w.missed(ctx, "")
	}
	answer, err := w.sync(ctx, "", filterMissed, 0, nil)
	if err != nil {
		return nil, "", fmt.Errorf("ask for events that may be missing: %w", err)
	}
	place := place{seq: until, time: time.UnixMicro(latest).Add(-placeSlack).UnixMilli()}
	for room, joined := range answer.Rooms.Join {
		raws, err := w.afterPlace(ctx, room, place, joined.Timeline.Events, joined.Timeline.PrevBatch)
		if err != nil {
			return nil, "", fmt.Errorf("ask for events of %s that may be missing: %w", room, err)
		}
		rows = append(rows, w.rows(room, raws)...)
	}
	return append(rows, w.invites(answer)...), answer.NextBatch, nil
}

// place is up to where the database knows what happened.
type place struct {
	seq  int64 // of the inbox
	time int64 // ms; a user's event from before it is known
}

// afterPlace returns a room's events after a place, oldest first: of those at the end of its
// timeline and, if all of them are, of those before a token.
func (w *watch) afterPlace(ctx context.Context, room id.RoomID, p place, raws []json.RawMessage, before string) ([]json.RawMessage, error) {
	var found []json.RawMessage // newest first
	slices.Reverse(raws)
	for range missedPages {
		for n, raw := range raws {
			if known, err := w.isKnown(ctx, p, raw); err != nil || known {
				found = append(found, raws[:n]...)
				slices.Reverse(found)
				return found, err
			}
		}
		found = append(found, raws...)
		if before == "" {
			break
		}
		var answer messagesAnswer
		query := map[string]string{"dir": "b", "from": before, "limit": strconv.Itoa(missedPage)}
		url := w.bot.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "rooms", room, "messages"}, query)
		if _, err := w.bot.MakeRequest(ctx, http.MethodGet, url, nil, &answer); err != nil {
			return nil, err
		}
		if answer.End == before || len(answer.Chunk) == 0 {
			break
		}
		raws, before = answer.Chunk, answer.End
	}
	slices.Reverse(found)
	return found, nil
}

// isKnown reports whether an event, and so all before it, is not missing.
func (w *watch) isKnown(ctx context.Context, p place, raw json.RawMessage) (bool, error) {
	var e event.Event
	if json.Unmarshal(raw, &e) != nil || w.isOwn(&e) {
		return false, nil
	}
	if e.Timestamp < p.time {
		return true, nil
	}
	return w.inbox.store.Has(ctx, string(e.ID), p.seq)
}
