package database

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// shape describes every table, column, index and foreign key.
func shape(t *testing.T, db *DB) (lines []string) {
	t.Helper()
	ctx := context.Background()
	column := func(query string) (out []string) {
		rows, err := db.Query(ctx, query)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var text string
			require.NoError(t, rows.Scan(&text))
			out = append(out, text)
		}
		require.NoError(t, rows.Err())
		return out
	}
	for _, table := range column(`SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%' ORDER BY name`) {
		lines = append(lines, column(fmt.Sprintf(
			`SELECT '%[1]s.'||name||' '||type||' '||"notnull"||' '||COALESCE(dflt_value, '-')||' pk'||pk FROM pragma_table_info('%[1]s')`, table))...)
		lines = append(lines, column(fmt.Sprintf(
			`SELECT '%[1]s -> '||"table"||' '||"from"||' '||"to"||' '||on_delete FROM pragma_foreign_key_list('%[1]s')`, table))...)
		lines = append(lines, column(fmt.Sprintf(
			`SELECT '%[1]s index '||CASE WHEN l.origin='c' THEN l.name ELSE l.origin END||' unique'||l."unique"||' partial'||l.partial||' '||
				(SELECT group_concat(name, ',') FROM pragma_index_info(l.name)) FROM pragma_index_list('%[1]s') l`, table))...)
	}
	lines = append(lines, column(`SELECT name||' '||substr(sql, instr(sql, ' WHERE ')) FROM sqlite_master WHERE type='index' AND sql LIKE '% WHERE %'`)...)
	sort.Strings(lines)
	return lines
}

// openFirst makes a database of version 1.
func openFirst(t *testing.T) *DB { return openVersion(t, 1) }

// openVersion makes a database of an older version.
func openVersion(t *testing.T, version int) *DB {
	t.Helper()
	db, err := Open("test", "sqlite3-fk-wal", "file:"+filepath.Join(t.TempDir(), "old.db")+"?_txlock=immediate", zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	first, err := os.ReadFile("testdata/01-core.sql")
	require.NoError(t, err)
	ctx := context.Background()
	for _, query := range []string{string(first),
		`CREATE TABLE ` + VersionTable + ` (version INTEGER, compat INTEGER)`, fmt.Sprintf(`INSERT INTO %s VALUES (%[2]d, %[2]d)`, VersionTable, version),
		`CREATE TABLE database_owner (key INTEGER PRIMARY KEY DEFAULT 0, owner TEXT NOT NULL)`, `INSERT INTO database_owner (key, owner) VALUES (0, 'test')`} {
		_, err = db.Exec(ctx, query)
		require.NoError(t, err)
	}
	steps, err := filepath.Glob("upgrades/[01][0-9]-*.sql")
	require.NoError(t, err)
	for _, step := range steps[1:version] { // the first is the latest schema
		text, err := os.ReadFile(step)
		require.NoError(t, err)
		_, err = db.Exec(ctx, postgresOnly.ReplaceAllString(string(text), ""))
		require.NoError(t, err)
	}
	return db
}

// postgresOnly are the lines of an upgrade that SQLite leaves out, in the one form that is in use.
var postgresOnly = regexp.MustCompile(`-- only: postgres for next 2 lines\n.*\n.*\n`)

func TestStepByStepGivesTheLatestSchema(t *testing.T) {
	steps := openFirst(t)
	require.NoError(t, steps.Upgrade(context.Background()))
	once := open(t)
	for _, db := range []*DB{steps, once} { // made by hand in openFirst
		_, err := db.Exec(context.Background(), `DROP TABLE IF EXISTS database_owner`)
		require.NoError(t, err)
	}
	want := shape(t, once)
	require.Greater(t, len(want), 60)
	require.Equal(t, strings.Join(want, "\n"), strings.Join(shape(t, steps), "\n"))
}

func TestOldTablesAreOutdated(t *testing.T) {
	ctx := context.Background()
	outdated := func(db *DB) bool {
		old, err := db.Outdated(ctx)
		require.NoError(t, err)
		return old
	}
	db := openVersion(t, 6)
	require.True(t, outdated(db))
	require.NoError(t, db.Upgrade(ctx))
	require.False(t, outdated(db))
	fresh, err := Open("test", "sqlite3-fk-wal", "file:"+filepath.Join(t.TempDir(), "new.db"), zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { _ = fresh.Close() })
	require.False(t, outdated(fresh))
}

func TestUpgradeKeepsWhatWasLogged(t *testing.T) {
	db, ctx := openFirst(t), context.Background()
	addAccount(t, db, anna)
	knows(t, db, anna, "c", 0, "NULL")
	for _, payload := range []string{`{"v":1,"conversation":"c","id":"1","kind":"message","time":10,"expires":77}`, `{"v":1,"conversation":"c","id":"2","kind":"message","time":20}`} {
		_, err := db.Exec(ctx, `INSERT INTO log (conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload)
			SELECT 'c', COUNT(*)+1, COUNT(*)+1, 'message', COUNT(*), '', '', '', 1, $1 FROM log`, payload)
		require.NoError(t, err)
	}
	require.NoError(t, db.Upgrade(ctx))
	_, err := db.Log().Trim(ctx, 0, 78)
	require.NoError(t, err)
	left, err := db.Log().Read(ctx, anna, "c", 0, 10)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.EqualValues(t, 2, left[0].Seq)
}

func TestUpgradeGivesLoggedEventsTheirRequestIDs(t *testing.T) {
	db, ctx := openFirst(t), context.Background()
	addAccount(t, db, anna)
	knows(t, db, anna, "c", 0, "NULL")
	for _, query := range []string{
		`INSERT INTO outbox (id, account, conversation, origin, origin_ref, request_id, request, state, attempts, attempt_seq, created_us, closed_us, event_id, error)
			VALUES (1, '` + string(anna) + `', 'c', 'irc', 'r', 77, '', 'done', 1, 0, 1, 1, 'ours', '')`,
		`INSERT INTO log (conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload)
			VALUES ('c', 1, 'ours', 'message', 10, '` + string(anna) + `', 'irc', 'r', 1, '{"v":1,"id":"ours"}'),
			('c', 2, 'theirs', 'message', 11, '` + string(anna) + `', '', '', 1, '{"v":1,"id":"theirs"}')`,
	} {
		_, err := db.Exec(ctx, query)
		require.NoError(t, err)
	}
	require.NoError(t, db.Upgrade(ctx))
	e, ok, err := db.Log().FindRequest(ctx, anna, "c", 77)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, "ours", e.ID)
	e, _, err = db.Log().Find(ctx, anna, "c", "theirs")
	require.NoError(t, err)
	require.Zero(t, e.RequestID)
}

// knows gives an account of an old database a conversation with the part of the shared log
// that it was shown.
func knows(t *testing.T, db *DB, account chat.PersonID, conversation string, start int, end string) {
	t.Helper()
	_, err := db.Exec(context.Background(), fmt.Sprintf(`INSERT INTO conversation (account, id, start_seq, end_seq, sort_us, payload)
		VALUES ('%s', '%s', %d, %s, 1, '{"v":1,"id":"%s"}')`, account, conversation, start, end, conversation))
	require.NoError(t, err)
}

// The log that accounts shared becomes one for each, with what each was shown, and positions
// go on where they were.
func TestUpgradeGivesEachAccountItsLog(t *testing.T) {
	db, ctx := openFirst(t), context.Background()
	const bert, cleo = chat.PersonID("2"), chat.PersonID("3")
	for _, account := range []chat.PersonID{anna, bert, cleo} {
		addAccount(t, db, account)
		_, err := db.Exec(ctx, `INSERT INTO consumer (account, side, name, seen_us) VALUES ($1, 'matrix', '', 1)`, account)
		require.NoError(t, err)
	}
	knows(t, db, anna, "c", 0, "NULL")
	knows(t, db, bert, "c", 2, "NULL") // came later
	knows(t, db, cleo, "c", 0, "1")    // was removed, and has acknowledged more than there was
	knows(t, db, bert, "quiet", 9, "NULL")
	for n := 1; n <= 4; n++ {
		_, err := db.Exec(ctx, fmt.Sprintf(`INSERT INTO log (conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload)
			VALUES ('c', %[1]d, 'e%[1]d', 'message', %[1]d, '', '', '', 1, '{"v":1,"conversation":"c","id":"e%[1]d"}')`, n))
		require.NoError(t, err)
	}
	for account, seq := range map[chat.PersonID]int{anna: 3, bert: 2, cleo: 4} {
		_, err := db.Exec(ctx, `INSERT INTO position (account, side, name, conversation, seq) VALUES ($1, 'matrix', '', 'c', $2)`, account, seq)
		require.NoError(t, err)
	}
	require.NoError(t, db.Upgrade(ctx))
	for account, want := range map[chat.PersonID][]string{anna: {"e1", "e2", "e3", "e4"}, bert: {"e3", "e4"}, cleo: {"e1"}} {
		events, err := db.Log().Read(ctx, account, "c", 0, 10)
		require.NoError(t, err)
		var got []string
		for _, e := range events {
			got = append(got, string(e.ID))
		}
		require.Equal(t, want, got, account)
	}
	waits := func(account chat.PersonID) []Standing {
		all, err := db.Consumers().Standings(ctx, ConsumerKey{account, chat.OriginMatrix, ""})
		require.NoError(t, err)
		return all
	}
	require.Equal(t, []Standing{{"c", 3, 4}}, waits(anna))
	require.Equal(t, []Standing{{"c", 2, 4}}, waits(bert))
	require.Empty(t, waits(cleo))
	for account, conversation := range map[chat.PersonID]string{cleo: "c", bert: "quiet"} {
		e := message(conversation, "back", 99)
		_, err := db.Log().Append(ctx, account, []chat.Event{e})
		require.NoError(t, err)
		require.NotEmpty(t, waits(account), "what comes next is delivered")
	}
}

// A failure that was not reported before the upgrade is in the log, for the client that wrote the line.
func TestUpgradeKeepsUnreportedFailures(t *testing.T) {
	db, ctx := openVersion(t, 6), t.Context()
	addAccount(t, db, anna)
	knows(t, db, anna, "c", 0, "NULL")
	knows(t, db, anna, "quiet", 9, "NULL")
	_, err := db.Exec(ctx, `INSERT INTO log (conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload)
		VALUES ('c', 7, 'e7', 'message', 7, '', '', '', 1, '{"v":1,"conversation":"c","id":"e7"}')`)
	require.NoError(t, err)
	const why = `refused: he said "no\"` + "\n"
	for n, line := range []struct{ ref, conversation, state, why string }{
		{"open", "c", "ambiguous", ""}, {"untold", "c", "failed", why}, {"untold too", "c", "failed", "expired: x"}, {"told", "c", "failed", why},
		{"done", "c", "done", ""}, {"first", "quiet", "failed", why},
	} {
		_, err = db.Exec(ctx, `INSERT INTO outbox (id, account, conversation, origin, origin_ref, request_id, request, state, attempts, created_us, closed_us, event_id, error)
			VALUES ($1, $2, $3, 'irc', $4, $1, '{}', $5, 1, 1, 50, '', $6)`, n+1, anna, line.conversation, line.ref, line.state, line.why)
		require.NoError(t, err)
		if line.ref != "told" {
			_, err = db.Exec(ctx, `INSERT INTO irc_line (origin_ref, account, client, conversation, time_us) VALUES ($1, $2, 'lap', $3, 1)`, line.ref, anna, line.conversation)
			require.NoError(t, err)
		}
	}
	key := ConsumerKey{anna, chat.OriginIRC, "lap"}
	_, err = db.Exec(ctx, `INSERT INTO consumer (account, side, name, seen_us) VALUES ($1, 'irc', 'lap', 1)`, anna)
	require.NoError(t, err)
	for conversation, seq := range map[string]int{"c": 7, "quiet": 9} {
		_, err = db.Exec(ctx, `INSERT INTO position (account, side, name, conversation, seq) VALUES ($1, 'irc', 'lap', $2, $3)`, anna, conversation, seq)
		require.NoError(t, err)
	}
	require.NoError(t, db.Upgrade(ctx))
	standings, err := db.Consumers().Standings(ctx, key)
	require.NoError(t, err)
	require.ElementsMatch(t, []Standing{{"c", 7, 9}, {"quiet", 0, 1}}, standings)
	for conversation, want := range map[chat.ConversationID][][2]string{"c": {{"lap/untold", why}, {"lap/untold too", "expired: x"}}, "quiet": {{"lap/first", why}}} {
		events, err := db.Log().Read(ctx, anna, conversation, 0, 10)
		require.NoError(t, err)
		var got [][2]string
		for _, e := range events {
			if e.Kind != chat.KindFailure {
				continue
			}
			require.Equal(t, chat.Event{V: 1, Conversation: conversation, ID: chat.EventID("failure/irc/" + e.Origin.Ref), Seq: e.Seq, Kind: chat.KindFailure,
				Time: 50, Author: anna, Origin: chat.Origin{Side: chat.OriginIRC, Ref: e.Origin.Ref}, Failure: e.Failure}, e)
			got = append(got, [2]string{e.Origin.Ref, e.Failure.Reason})
		}
		require.Equal(t, want, got)
	}
	open, err := db.Outbox().Open(ctx, anna, "")
	require.NoError(t, err)
	require.Equal(t, "lap/open", open[0].Request.Origin.Ref, "its fate is the client's, too")
	_, err = db.Outbox().ByOrigin(ctx, chat.Origin{Side: chat.OriginIRC, Ref: "told"})
	require.NoError(t, err)
}

// Of every version that had an inbox: what was held stays held, the rest keeps its order.
func TestUpgradeGivesTheInboxPlaces(t *testing.T) {
	for version := 2; version <= 6; version++ {
		for name, c := range map[string]struct{ value, open, held string }{
			"held":      {"2", "$open", "$held"},
			"none held": {"", "$open $held", ""},
			"no value":  {"-", "$open $held", ""},
		} {
			t.Run(fmt.Sprint(version, " ", name), func(t *testing.T) {
				db, ctx := openVersion(t, version), t.Context()
				_, err := db.Exec(ctx, `INSERT INTO matrix_inbox (seq, event_id, room_id, received_us, done, body)
					VALUES (1, '$done', '!a', 1, true, ''), (2, '$open', '!a', 1, false, '{}'), (3, '$held', '!a', 1, false, '{}'), (4, '$done later', '!a', 1, true, '')`)
				require.NoError(t, err)
				if c.value != "-" {
					_, err = db.Exec(ctx, `INSERT INTO matrix_value (name, value) VALUES ('held_from', $1), ('sync_token', 's7')`, c.value)
					require.NoError(t, err)
				}
				require.NoError(t, db.Upgrade(ctx))
				placed, held := order(t, db, "!a")
				require.Equal(t, c.open, strings.Join(placed, " "))
				require.Equal(t, c.held, strings.Join(held, " "))
				row, err := db.MatrixInbox().Next(ctx, "!a")
				require.NoError(t, err)
				require.Equal(t, InboxRow{Seq: 2, Place: 2, EventID: "$open", RoomID: "!a", Body: "{}", Received: 1}, row)
				added, err := db.MatrixInbox().Put(ctx, 4, []InboxRow{{EventID: "$done", RoomID: "!a"}, {EventID: "$done later", RoomID: "!a"}}, false)
				require.NoError(t, err)
				require.Empty(t, added, "ids are known")
				var left int
				require.NoError(t, db.QueryRow(ctx, `SELECT COUNT(*) FROM matrix_value WHERE name='held_from'`).Scan(&left))
				require.Zero(t, left)
			})
		}
	}
}

// A query that goes through an index looks at what it returns, however long the log is.
func TestALongLogIsReadThroughIndexes(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	_, err := db.Exec(ctx, `
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100000)
		INSERT INTO log (account, conversation, seq, event_id, kind, time_us, author, origin, origin_ref, logged_us, payload)
		SELECT '`+string(anna)+`', 'c'||(i%10), (i+9)/10, 'e'||i, 'message', i, '', '', '', 1, '{"v":1,"id":"e'||i||'","conversation":"c'||(i%10)||'"}' FROM n`)
	require.NoError(t, err)
	_, err = db.Exec(ctx, `ANALYZE`)
	require.NoError(t, err)
	for name, query := range map[string]string{
		"head":      `SELECT COALESCE(MAX(seq), 0) FROM log WHERE account='x' AND conversation='c1'`,
		"read":      `SELECT payload FROM log WHERE account='x' AND conversation='c1' AND seq>9990 ORDER BY seq LIMIT 10`,
		"request":   `SELECT payload FROM log WHERE account='x' AND conversation='c1' AND request_id=5 AND request_id<>0 LIMIT 1`,
		"find":      `SELECT payload FROM log WHERE account='x' AND conversation='c1' AND event_id='e1'`,
		"before":    `SELECT payload FROM log WHERE account='x' AND conversation='c1' AND time_us<9 AND seq+0>0 AND (expires_us=0 OR expires_us>5) ORDER BY time_us DESC, seq DESC LIMIT 10`,
		"begin":     `SELECT time_us FROM log WHERE account='x' AND conversation='c1' AND seq>9 AND kind<>'failure' ORDER BY seq LIMIT 1`,
		"history":   `SELECT payload FROM history WHERE account='x' AND conversation='c1' AND time_us<9 AND (expires_us=0 OR expires_us>5) AND kind<>'' ORDER BY time_us DESC, event_id DESC LIMIT 10`,
		"follows":   strings.NewReplacer("$1", "0", "$2", "5").Replace(historyFollows),
		"overtaken": strings.NewReplacer("$1", "0", "$2", "5").Replace(historyOvertaken),
		"gone":      strings.ReplaceAll(historyExpired, "$1", "5"),
		"expired":   strings.ReplaceAll(trimExpired, "$1", "5"),
		"old":       strings.ReplaceAll(trimOld, "$1", "0"),
		"standings": `SELECT id, (SELECT MAX(seq) FROM log WHERE account=c.account AND conversation=c.id) FROM conversation c WHERE c.account='x'`,
		"position":  `SELECT seq FROM position WHERE account='x' AND side='irc' AND name='' AND conversation='c1'`,
		"event":     `SELECT id FROM outbox WHERE account='x' AND conversation='c1' AND event_id='e' AND event_id<>''`,
		"origin":    `SELECT id FROM outbox WHERE origin='irc' AND origin_ref='r'`,
		"open":      `SELECT id FROM outbox WHERE account='x' AND (''='' OR conversation='') AND state IN ('pending', 'sending', 'ambiguous') ORDER BY id`,
	} {
		rows, err := db.Query(ctx, "EXPLAIN QUERY PLAN "+query)
		require.NoError(t, err)
		for rows.Next() {
			var id, parent, unused int
			var detail string
			require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
			require.NotContains(t, detail, "SCAN", name)
			if name == "read" || name == "before" || name == "begin" || name == "history" {
				require.NotContains(t, detail, "B-TREE FOR ORDER BY", name)
			}
		}
		require.NoError(t, rows.Err())
	}
	added, err := db.Log().Append(ctx, anna, []chat.Event{message("c1", "new", 1<<50)})
	require.NoError(t, err)
	require.EqualValues(t, 10001, added[0].Seq)
	newest, err := db.Log().Before(ctx, anna, "c1", 0, 0, 2)
	require.NoError(t, err)
	require.EqualValues(t, "new", newest[1].ID)
}

func TestPresentAndRecentConsumersStay(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	for i, name := range []string{"ancient but here", "ancient", "old", "older", "new"} {
		seen := []int64{1, 2, 40, 30, 50}[i]
		require.NoError(t, db.Consumers().Touch(ctx, ConsumerKey{anna, chat.OriginIRC, name}, seen))
	}
	require.NoError(t, db.Consumers().Touch(ctx, ConsumerKey{anna, chat.OriginMatrix, ""}, 1))
	require.NoError(t, db.Consumers().DropOldest(ctx, anna, chat.OriginIRC, 10, 3, []string{"ancient but here"}))
	for name, want := range map[string]bool{"ancient but here": true, "ancient": false, "older": false, "old": true, "new": true} {
		got, err := db.Consumers().Exists(ctx, ConsumerKey{anna, chat.OriginIRC, name})
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	got, err := db.Consumers().Exists(ctx, ConsumerKey{anna, chat.OriginMatrix, ""})
	require.NoError(t, err)
	require.True(t, got, "only clients of the side named are forgotten")
}

func TestASettledRequestStaysSettled(t *testing.T) {
	db, ctx := open(t), context.Background()
	addAccount(t, db, anna)
	row := &OutboxRow{Account: anna, RequestID: 9, Created: 3, Request: chat.Request{Conversation: "c",
		Origin: chat.Origin{Side: chat.OriginIRC, Ref: "r"}, Message: &chat.Message{Text: chat.Plain("hi")}}}
	_, err := db.Outbox().Insert(ctx, row)
	require.NoError(t, err)
	put := func(state OutboxState) error {
		row.State = state
		return db.Outbox().Put(ctx, row)
	}
	require.NoError(t, put(OutboxSending))
	require.NoError(t, put(OutboxFailed))
	require.ErrorIs(t, put(OutboxPending), ErrFinal)
	require.NoError(t, put(OutboxDone), "it has arrived after all")
	require.ErrorIs(t, put(OutboxAmbiguous), ErrFinal)
	require.ErrorIs(t, put(OutboxFailed), ErrFinal)
	got, err := db.Outbox().ByOrigin(ctx, row.Request.Origin)
	require.NoError(t, err)
	require.Equal(t, OutboxDone, got.State)
}
