package homeserver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

func TestAgeOfAnEvent(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	for name, c := range map[string]struct {
		age, received time.Duration // by the homeserver; ago, by our clock
		sent          int64
		want          time.Duration
	}{
		"just written":                {time.Second, 0, at(time.Second), time.Second},
		"our clock is a day ahead":    {time.Second, 0, at(24 * time.Hour), time.Second},
		"our clock is a day behind":   {time.Second, 0, at(-24 * time.Hour), time.Second},
		"waited in the inbox":         {time.Second, time.Hour, at(time.Hour), time.Hour + time.Second},
		"clock set back since":        {time.Second, -time.Hour, at(0), time.Second},
		"no age":                      {0, 0, at(time.Hour), time.Hour},
		"no age, from the future":     {0, 0, at(-time.Hour), 0},
		"no age, waited in the inbox": {0, time.Minute, at(-time.Hour), time.Minute},
	} {
		e := &event.Event{Timestamp: c.sent}
		e.Unsigned.Age = c.age.Milliseconds()
		require.Equal(t, c.want, ageOf(e, now.Add(-c.received), now), name)
	}
}

// commander is a host whose commands are those of one user.
type commander struct{ Host }

func (commander) IsCommand(e *event.Event) bool { return e.Sender == "@commander:test" }
func (commander) RefuseStale(context.Context, *event.Event, time.Duration) (bool, error) {
	return false, nil
}

// A program that ends while it runs a command does not run it again; other events are handled
// until their effects are final.
func TestACommandIsRunAtMostOnce(t *testing.T) {
	ctx := t.Context()
	start := testInbox(t, commander{})
	handled := make(chan string, 10)
	run := func(hang bool) (*inbox, func()) {
		return start(func(b *inbox) {
			b.dispatch = func(ctx context.Context, e *event.Event) {
				handled <- string(e.ID)
				if hang {
					<-ctx.Done()
				}
			}
		})
	}
	b, stop := run(true)
	for _, row := range []database.InboxRow{
		{EventID: "$command", RoomID: "!a", Body: `{"type":"m.room.message","event_id":"$command","sender":"@commander:test","unsigned":{"age":1},"content":{}}`},
		{EventID: "$message", RoomID: "!b", Body: `{"type":"m.room.message","event_id":"$message","sender":"@writer:test","unsigned":{"age":1},"content":{}}`},
	} {
		require.NoError(t, b.put(ctx, []database.InboxRow{row}, func() bool { return false }))
	}
	require.ElementsMatch(t, []string{"$command", "$message"}, []string{<-handled, <-handled})
	stop()
	b, stop = run(false)
	require.Equal(t, "$message", <-handled)
	require.NoError(t, b.final(ctx, "$message"))
	require.NoError(t, b.final(ctx, "$command"))
	stop()
	require.Empty(t, handled)
}
