package homeserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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

const (
	// Events of a room before the latest missedEvents of others, or missedPages pages in all,
	// stay lost.
	missedEvents = 5000
	missedPages  = 1000
)

// Filters of /sync. With the first nothing passes, so that the answer waits.
const (
	filterNothing = `{"presence":{"types":[]},"account_data":{"types":[]},"room":{"rooms":[]}}`
	filterMissed  = `{"presence":{"types":[]},"account_data":{"types":[]},"room":{"account_data":{"types":[]},"ephemeral":{"types":[]},"state":{"types":[]},"timeline":{"limit":100}}}`
)

// syncAnswer is what we read of an answer to /sync; events stay as they are.
type syncAnswer struct {
	NextBatch string `json:"next_batch"`
	Rooms     struct {
		Join map[id.RoomID]struct {
			Timeline struct {
				Events    []json.RawMessage `json:"events"`
				Limited   bool              `json:"limited"`
				PrevBatch string            `json:"prev_batch"`
			} `json:"timeline"`
		} `json:"join"`
		Invite map[id.RoomID]struct {
			State struct {
				Events []json.RawMessage `json:"events"`
			} `json:"invite_state"`
		} `json:"invite"`
	} `json:"rooms"`
}

// errNoAnswer: the homeserver's answer to /sync says nothing.
var errNoAnswer = errors.New("the homeserver's answer has no next_batch")

// sync asks as a user what has happened to their rooms since a token. client may be nil.
func (r *reconciliation) sync(ctx context.Context, user *mautrix.Client, since, filter string, wait time.Duration, client *http.Client) (answer *syncAnswer, err error) {
	query := map[string]string{"timeout": strconv.FormatInt(wait.Milliseconds(), 10), "filter": filter, "set_presence": "offline"}
	if since != "" {
		query["since"] = since
	}
	url := user.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "sync"}, query)
	_, err = user.MakeFullRequest(ctx, mautrix.FullRequest{Method: http.MethodGet, URL: url, ResponseJSON: &answer, MaxAttempts: 1, Client: client})
	if err == nil && (answer == nil || answer.NextBatch == "") {
		err = errNoAnswer
	}
	return answer, err
}

// missed returns what the homeserver has in the bot's rooms since a token, in its order
// within each room, our own messages left out, and the token of now. The first time, with
// no token, that is nothing.
func (r *reconciliation) missed(ctx context.Context, since string) (rows []database.InboxRow, next string, err error) {
	filter := filterMissed
	if since == "" {
		filter = filterNothing
	}
	answer, err := r.sync(ctx, r.c.Bot.Client, since, filter, 0, nil)
	if err != nil {
		return nil, "", fmt.Errorf("ask for events that may be missing: %w", err)
	}
	if since == "" {
		return nil, answer.NextBatch, nil
	}
	for room, joined := range answer.Rooms.Join {
		raws := joined.Timeline.Events
		if joined.Timeline.Limited && joined.Timeline.PrevBatch != "" {
			before, err := r.page(ctx, room, joined.Timeline.PrevBatch, since, func(*event.Event) (bool, error) { return false, nil })
			if err != nil {
				return nil, "", fmt.Errorf("ask for events of %s that may be missing: %w", room, err)
			}
			raws = append(before, raws...)
		}
		rows = append(rows, r.rows(room, raws)...)
	}
	for room, invited := range answer.Rooms.Invite {
		if row, ok := r.invite(room, invited.State.Events, answer.NextBatch); ok {
			rows = append(rows, row)
		}
	}
	return rows, answer.NextBatch, nil
}

// sinceKnown returns what the bridged rooms have after the latest event that the database
// knows, up to a token. It knows the events of the last keepIDs only: older ones are left out,
// since they may have been handled.
func (r *reconciliation) sinceKnown(ctx context.Context, token string) (rows []database.InboxRow, err error) {
	rooms, err := r.c.host.Rooms(ctx)
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	oldest := time.Now().Add(-keepIDs).UnixMilli()
	for _, room := range rooms {
		found := false
		raws, err := r.page(ctx, room, token, "", func(e *event.Event) (bool, error) {
			if r.c.isOwnMessage(e) || e.Content.Raw[markerField] != nil {
				return false, nil // this run may have sent it, behind what is missing
			}
			known, err := r.known(ctx, e.ID)
			found = found || known
			return known || e.Timestamp < oldest, err
		})
		if Refused(err) {
			r.log.Warn().Err(err).Stringer("room", room).Msg("The homeserver does not show the bot this room")
			continue
		} else if err != nil {
			return nil, err
		}
		if found {
			rows = append(rows, r.rows(room, raws)...)
		}
	}
	return rows, nil
}

// known reports whether the messages or the inbox have an event; those that are held are new
// themselves.
func (r *reconciliation) known(ctx context.Context, eventID id.EventID) (bool, error) {
	known, err := r.inbox.store.Knows(ctx, string(eventID))
	if known || err != nil {
		return known, err
	}
	_, known, err = r.c.host.MessageTime(ctx, eventID)
	return known, err
}

// page reads a room's events from a token back to another one or to one of which end says so,
// our own messages left out, and returns them oldest first.
func (r *reconciliation) page(ctx context.Context, room id.RoomID, from, to string, end func(*event.Event) (bool, error)) (raws []json.RawMessage, err error) {
	all, err := r.c.readBack(ctx, room, from, to, readPage, missedPages, func(raw json.RawMessage, e *event.Event) (bool, error) {
		if ended, err := end(e); ended || err != nil {
			return true, err
		}
		if !r.c.isOwnMessage(e) {
			raws = append(raws, raw)
		}
		return len(raws) > missedEvents, nil
	})
	if !all || len(raws) > missedEvents {
		r.log.Warn().Stringer("room", room).Int("events", len(raws)).Msg("Too many events may be missing; the oldest are given up")
	}
	slices.Reverse(raws)
	return raws, err
}

// rows are the events of a room that somebody may have to handle. What was there before the
// bot came is none of ours.
func (r *reconciliation) rows(room id.RoomID, raws []json.RawMessage) (rows []database.InboxRow) {
	for _, raw := range raws {
		var e event.Event
		if json.Unmarshal(raw, &e) != nil || e.ID == "" {
			continue
		}
		if r.isArrival(&e) {
			rows = rows[:0]
		}
		if body, ok := withFields(raw, map[string]string{"room_id": string(room)}); ok && !r.c.isOwnMessage(&e) {
			rows = append(rows, database.InboxRow{EventID: string(e.ID), RoomID: string(room), Body: body})
		}
	}
	return rows
}

// isArrival reports whether an event is the bot coming into the room.
func (r *reconciliation) isArrival(e *event.Event) bool {
	if e.Type.Type != event.StateMember.Type || e.GetStateKey() != string(r.c.Bot.UserID) {
		return false
	}
	membership, _ := e.Content.Raw["membership"].(string)
	if membership != string(event.MembershipJoin) {
		return false
	}
	before := e.Unsigned.PrevContent
	if before == nil {
		return true
	}
	was, _ := before.Raw["membership"].(string)
	return was != string(event.MembershipJoin)
}

// invite makes the event of an invitation of the bot: /sync shows it without its id.
func (r *reconciliation) invite(room id.RoomID, state []json.RawMessage, token string) (row database.InboxRow, ok bool) {
	for _, raw := range state {
		var e event.Event
		if json.Unmarshal(raw, &e) != nil || e.Type.Type != event.StateMember.Type || e.GetStateKey() != string(r.c.Bot.UserID) {
			continue
		}
		sum := sha256.Sum256([]byte(string(room) + "\x00" + token))
		eventID := "$invite-" + hex.EncodeToString(sum[:16])
		body, ok := withFields(raw, map[string]string{"room_id": string(room), "event_id": eventID})
		return database.InboxRow{EventID: eventID, RoomID: string(room), Body: body, IfIdle: true}, ok
	}
	return row, false
}

// withFields adds fields to an event of /sync.
func withFields(raw json.RawMessage, add map[string]string) (string, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return "", false
	}
	for name, value := range add {
		fields[name], _ = json.Marshal(value)
	}
	body, err := json.Marshal(fields)
	return string(body), err == nil
}
