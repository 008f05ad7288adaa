package mxclient

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// syncFilter asks for long timelines, so that pages are rarely needed.
const syncFilter = `{"room":{"timeline":{"limit":500}},"presence":{"types":[]}}`

// syncLoop runs until Close. A homeserver that does not answer is asked again.
func (c *Client) syncLoop() {
	defer close(c.done)
	since := ""
	for c.ctx.Err() == nil {
		timeout := 10_000
		if since == "" {
			timeout = 0
		}
		resp, err := c.Matrix.FullSyncRequest(c.ctx, mautrix.ReqSync{Since: since, Timeout: timeout, FilterID: syncFilter})
		if err != nil {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-c.ctx.Done():
			}
			continue
		}
		if c.handle(resp, since) {
			since = resp.NextBatch
		}
	}
}

// handle takes in one answer. It returns false when a gap could not be filled: the same answer is asked for again.
func (c *Client) handle(resp *mautrix.RespSync, since string) bool {
	gaps := map[id.RoomID][]*event.Event{}
	for roomID, joined := range resp.Rooms.Join {
		if joined.Timeline.Limited && since != "" {
			missed, err := c.fillGap(roomID, joined.Timeline.PrevBatch)
			if err != nil {
				return false
			}
			gaps[roomID] = missed
		}
	}
	if c.olm != nil {
		c.olm.sync(c.ctx, resp, since)
	}
	c.mu.Lock()
	for roomID, joined := range resp.Rooms.Join {
		r := c.room(roomID)
		r.membership = event.MembershipJoin
		for _, ev := range joined.State.Events {
			r.setState(ev)
		}
		for _, ev := range append(gaps[roomID], joined.Timeline.Events...) {
			r.add(roomID, ev)
		}
		for _, ev := range joined.Ephemeral.Events {
			r.ephemeral(ev)
		}
	}
	for roomID, invited := range resp.Rooms.Invite {
		r := c.room(roomID)
		r.membership = event.MembershipInvite
		for _, ev := range invited.State.Events {
			r.setState(ev)
		}
	}
	for roomID, left := range resp.Rooms.Leave {
		r := c.room(roomID)
		r.membership = event.MembershipLeave
		for _, ev := range left.Timeline.Events {
			r.add(roomID, ev)
		}
	}
	if c.olm != nil {
		for _, r := range c.rooms {
			c.olm.open(c.ctx, r.timeline)
		}
	}
	c.syncs++
	close(c.changed)
	c.changed = make(chan struct{})
	auto := c.autoJoin
	c.mu.Unlock()
	if auto {
		c.acceptInvites()
	}
	return true
}

func (c *Client) acceptInvites() {
	for _, roomID := range c.Invites() {
		// One that fails (taken back meanwhile, homeserver away) is tried again after the next sync.
		_, _ = c.Matrix.JoinRoomByID(c.ctx, roomID)
	}
}

// room returns the view of a room. The caller holds the lock.
func (c *Client) room(roomID id.RoomID) *roomView {
	r := c.rooms[roomID]
	if r == nil {
		r = &roomView{seen: map[id.EventID]bool{}, state: map[string]map[string]*event.Event{}, receipts: map[id.UserID]id.EventID{}}
		c.rooms[roomID] = r
	}
	return r
}

// fillGap reads backwards from prevBatch to the latest known event and returns what lies between, oldest first.
func (c *Client) fillGap(roomID id.RoomID, prevBatch string) ([]*event.Event, error) {
	var missed []*event.Event
	for from := prevBatch; from != ""; {
		page, err := c.Matrix.Messages(c.ctx, roomID, from, "", mautrix.DirectionBackward, nil, 500)
		if err != nil {
			return nil, err
		}
		for _, ev := range page.Chunk {
			c.mu.Lock()
			known := c.room(roomID).seen[ev.ID]
			c.mu.Unlock()
			if known {
				slices.Reverse(missed)
				return missed, nil
			}
			missed = append(missed, ev)
		}
		from = page.End
	}
	slices.Reverse(missed)
	return missed, nil
}

func (r *roomView) setState(ev *event.Event) {
	ev.Type.Class = event.StateEventType
	_ = ev.Content.ParseRaw(ev.Type)
	if r.state[ev.Type.Type] == nil {
		r.state[ev.Type.Type] = map[string]*event.Event{}
	}
	r.state[ev.Type.Type][ev.GetStateKey()] = ev
}

// add appends an event that was not seen yet.
func (r *roomView) add(roomID id.RoomID, ev *event.Event) {
	if r.seen[ev.ID] {
		return
	}
	r.seen[ev.ID] = true
	ev.RoomID = roomID
	if ev.StateKey != nil {
		r.setState(ev)
	} else {
		ev.Type.Class = event.MessageEventType
		_ = ev.Content.ParseRaw(ev.Type)
	}
	r.timeline = append(r.timeline, ev)
}

func (r *roomView) ephemeral(ev *event.Event) {
	switch ev.Type.Type {
	case "m.typing":
		var content struct {
			UserIDs []id.UserID `json:"user_ids"`
		}
		_ = json.Unmarshal(ev.Content.VeryRaw, &content)
		r.typing = content.UserIDs
	case "m.receipt":
		var content map[id.EventID]map[string]map[id.UserID]json.RawMessage
		_ = json.Unmarshal(ev.Content.VeryRaw, &content)
		for eventID, kinds := range content {
			for who := range kinds["m.read"] {
				r.receipts[who] = eventID
			}
		}
	}
}

// History returns all events of a room as the homeserver tells them now, oldest first, read page by page. It does not
// depend on what the sync loop has seen.
func (c *Client) History(roomID id.RoomID) []*event.Event {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, Patience)
	defer cancel()
	var all []*event.Event
	for from := ""; ; {
		page, err := c.Matrix.Messages(ctx, roomID, from, "", mautrix.DirectionForward, nil, 500)
		if err != nil {
			c.t.Fatalf("%s reads %s: %v", c.UserID(), roomID, err)
		}
		for _, ev := range page.Chunk {
			ev.Type.Class = event.MessageEventType
			if ev.StateKey != nil {
				ev.Type.Class = event.StateEventType
			}
			_ = ev.Content.ParseRaw(ev.Type)
		}
		all = append(all, page.Chunk...)
		if from = page.End; from == "" || len(page.Chunk) == 0 {
			return all
		}
	}
}
