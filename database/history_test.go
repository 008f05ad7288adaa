package database

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// A log of any older version is history as it is, and what is older is asked for.
func TestUpgradeFromEveryVersionStartsWithoutPages(t *testing.T) {
	for version := 1; version < len(upgradeTable); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			db, ctx := openVersion(t, version), t.Context()
			addAccount(t, db, anna)
			columns, values := `conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload`,
				`'c', 3, 'e', 'message', 30, '', '', '', 1, '{"v":1,"conversation":"c","id":"e","time":30}'`
			conversation := `INSERT INTO conversation (account, id, start_seq, sort_us, payload) VALUES ('` + string(anna) + `', 'c', 2, 1, '{"v":1,"id":"c"}')`
			if version >= 8 {
				columns, values = "account, "+columns, "'"+string(anna)+"', "+values
			}
			for _, query := range []string{conversation, `INSERT INTO log (` + columns + `) VALUES (` + values + `)`} {
				_, err := db.Exec(ctx, query)
				require.NoError(t, err)
			}
			require.NoError(t, db.Upgrade(ctx))
			logged, err := db.Log().Before(ctx, anna, "c", 0, 2, 10)
			require.NoError(t, err)
			require.Len(t, logged, 1)
			begin, ok, err := db.Log().Begin(ctx, anna, "c", 2)
			require.NoError(t, err)
			require.True(t, ok)
			require.EqualValues(t, 30, begin)
			_, err = db.History().Reach(ctx, anna, "c")
			require.ErrorIs(t, err, ErrNotFound)
			added, err := db.History().Put(ctx, anna, "c", []chat.Event{message("c", "older", 20)}, Reach{CompleteFrom: 20, Fetched: 1})
			require.NoError(t, err)
			require.Equal(t, 1, added)
		})
	}
}
