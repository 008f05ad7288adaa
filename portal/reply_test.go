package portal

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/bridgev2/database"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// past is a session whose history holds events.
type past struct {
	account.Session
	events []chat.Event
	err    error
}

func (p past) History(context.Context, account.HistoryQuery) ([]chat.Event, error) {
	return p.events, p.err
}

// Only the very message, while it has not expired, is known to be answered.
func TestAnswered(t *testing.T) {
	row := &database.Message{ID: ids.MakeMessageID("C", "e"), Timestamp: time.UnixMicro(5)}
	message := func(id chat.EventID, expires time.Time) []chat.Event {
		e := chat.Event{ID: id, Message: &chat.Message{Text: chat.Plain("x")}}
		if !expires.IsZero() {
			e.Expires = expires.UnixMicro()
		}
		return []chat.Event{e}
	}
	for name, c := range map[string]struct {
		session past
		ok      bool
	}{
		"kept":           {past{events: message("e", time.Time{})}, true},
		"not expired":    {past{events: message("e", time.Now().Add(time.Hour))}, true},
		"expired":        {past{events: message("e", time.Now().Add(-time.Hour))}, false},
		"another one":    {past{events: message("f", time.Time{})}, false},
		"gone":           {past{}, false},
		"no message":     {past{events: []chat.Event{{ID: "e"}}}, false},
		"cannot be read": {past{err: errors.New("no")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, ok := (&Handler{session: c.session}).answered(t.Context(), row)
			require.Equal(t, c.ok, ok)
		})
	}
}
