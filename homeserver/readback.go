package homeserver

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// readPage is how many events of a room are asked for at once.
const readPage = 100

// readBack gives a room's events to fn, latest first, from a token ("" is now) back to another
// one ("" is none), until fn says that it is done. first is the size of the first page. all is
// false if so many pages were not enough.
func (c *Connector) readBack(ctx context.Context, room id.RoomID, from, to string, first, pages int, fn func(raw json.RawMessage, e *event.Event) (done bool, err error)) (all bool, err error) {
	for limit := first; pages > 0; limit, pages = readPage, pages-1 {
		var page struct {
			Chunk []json.RawMessage `json:"chunk"`
			End   string            `json:"end"`
		}
		query := map[string]string{"dir": "b", "limit": strconv.Itoa(limit)}
		for name, token := range map[string]string{"from": from, "to": to} {
			if token != "" {
				query[name] = token
			}
		}
		url := c.Bot.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "rooms", room, "messages"}, query)
		if _, err = c.Bot.MakeRequest(ctx, http.MethodGet, url, nil, &page); err != nil {
			return false, err
		}
		for _, raw := range page.Chunk {
			e := &event.Event{}
			if json.Unmarshal(raw, e) != nil {
				continue
			}
			if done, err := fn(raw, e); done || err != nil {
				return true, err
			}
		}
		if page.End == "" || page.End == from || len(page.Chunk) == 0 {
			return true, nil
		}
		from = page.End
	}
	return false, nil
}
