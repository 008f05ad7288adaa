package database

import (
	"context"
	"encoding/json"
	"errors"

	"go.mau.fi/util/dbutil"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// OutboxState is where a request stands.
type OutboxState string

// Outbox states. Done and failed are final.
const (
	OutboxPending   OutboxState = "pending"
	OutboxSending   OutboxState = "sending"
	OutboxAmbiguous OutboxState = "ambiguous"
	OutboxDone      OutboxState = "done"
	OutboxFailed    OutboxState = "failed"
)

// Final reports whether the fate of the request is settled.
func (s OutboxState) Final() bool { return s == OutboxDone || s == OutboxFailed }

// OutboxRow is a row of the outbox.
type OutboxRow struct {
	ID        int64
	Account   chat.PersonID
	Request   chat.Request // only conversation and origin once final
	Kind      chat.RequestKind
	RequestID uint64 // below 2^63
	State     OutboxState
	Attempts  int64
	Created   int64        // µs
	Closed    int64        // µs; end of the last attempt, or when it was settled
	EventID   chat.EventID // of a request that is done
	EventTime int64        // µs
	Error     string       // of a failed request: its kind
}

// OutboxStore keeps requests.
type OutboxStore struct{ db *DB }

// Outbox returns the store of requests.
func (db *DB) Outbox() *OutboxStore { return &OutboxStore{db} }

const outboxColumns = `id, account, conversation, origin, origin_ref, request_id, request, state, attempts,
	created_us, closed_us, event_id, event_us, error, kind`

func scanOutbox(row dbutil.Scannable) (*OutboxRow, error) {
	var r OutboxRow
	var request string
	var conversation chat.ConversationID
	var origin chat.Origin
	err := row.Scan(&r.ID, &r.Account, &conversation, &origin.Side, &origin.Ref, &r.RequestID, &request, &r.State,
		&r.Attempts, &r.Created, &r.Closed, &r.EventID, &r.EventTime, &r.Error, &r.Kind)
	if err != nil {
		return nil, notFound(err)
	}
	if request != "" {
		err = json.Unmarshal([]byte(request), &r.Request)
	}
	r.Request.Conversation, r.Request.Origin = conversation, origin
	return &r, err
}

// Insert adds a pending request unless its origin is known already; inserted tells. ID
// is filled.
func (s *OutboxStore) Insert(ctx context.Context, r *OutboxRow) (inserted bool, err error) {
	payload, err := json.Marshal(r.Request)
	if err != nil {
		return false, err
	}
	r.Kind = r.Request.Kind()
	err = s.db.Write(ctx, func(ctx context.Context) error {
		inserted = false
		_, err := s.ByOrigin(ctx, r.Request.Origin)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		if err = s.db.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) + 1 FROM outbox`).Scan(&r.ID); err != nil {
			return err
		}
		inserted = true
		_, err = s.db.Exec(ctx, `
			INSERT INTO outbox (`+outboxColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, 0, '', 0, '', $10)`,
			r.ID, r.Account, r.Request.Conversation, r.Request.Origin.Side, r.Request.Origin.Ref, int64(r.RequestID),
			string(payload), OutboxPending, r.Created, r.Kind)
		return err
	})
	return inserted && err == nil, err
}

// ByOrigin returns the request of an origin, or ErrNotFound.
func (s *OutboxStore) ByOrigin(ctx context.Context, origin chat.Origin) (*OutboxRow, error) {
	return scanOutbox(s.db.QueryRow(ctx,
		`SELECT `+outboxColumns+` FROM outbox WHERE origin=$1 AND origin_ref=$2`, origin.Side, origin.Ref))
}

// ByRequestID returns the request that an account sent with an id, or ErrNotFound.
func (s *OutboxStore) ByRequestID(ctx context.Context, account chat.PersonID, requestID uint64) (*OutboxRow, error) {
	if requestID > 1<<63-1 {
		return nil, ErrNotFound
	}
	return scanOutbox(s.db.QueryRow(ctx,
		`SELECT `+outboxColumns+` FROM outbox WHERE account=$1 AND request_id=$2`, account, int64(requestID)))
}

// ByEvent returns the request of an account that made an event, or ErrNotFound.
func (s *OutboxStore) ByEvent(ctx context.Context, account chat.PersonID, conversation chat.ConversationID, event chat.EventID) (*OutboxRow, error) {
	return scanOutbox(s.db.QueryRow(ctx, `SELECT `+outboxColumns+` FROM outbox
		WHERE account=$1 AND conversation=$2 AND event_id=$3 AND event_id<>''`, account, conversation, event))
}

// Open returns an account's requests that are not final, in the order of writing;
// conversation "" = all.
func (s *OutboxStore) Open(ctx context.Context, account chat.PersonID, conversation chat.ConversationID) ([]*OutboxRow, error) {
	rows, err := s.db.Query(ctx, `SELECT `+outboxColumns+` FROM outbox
		WHERE account=$1 AND ($2='' OR conversation=$2) AND state IN ('pending', 'sending', 'ambiguous') ORDER BY id`,
		account, string(conversation))
	return scanAll(rows, err, scanOutbox)
}

// Put stores the state of a request and what is left of it; its content goes when the state is final. A request that
// is done stays so, and one that failed can only become done: otherwise ErrFinal.
func (s *OutboxStore) Put(ctx context.Context, r *OutboxRow) error {
	return s.db.Write(ctx, func(ctx context.Context) error { return s.put(ctx, r) })
}

func (s *OutboxStore) put(ctx context.Context, r *OutboxRow) error {
	payload := ""
	if !r.State.Final() {
		request, err := json.Marshal(r.Request)
		if err != nil {
			return err
		}
		payload = string(request)
	}
	res, err := s.db.Exec(ctx, `
		UPDATE outbox SET state=$2, attempts=$3, closed_us=$4, event_id=$5, event_us=$6, error=$7, request=$8, conversation=$9
		WHERE id=$1 AND state<>'done' AND (state<>'failed' OR $2='done')`,
		r.ID, string(r.State), r.Attempts, r.Closed, r.EventID, r.EventTime, r.Error, payload, r.Request.Conversation)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrFinal
}

// Trim deletes final requests that were written and settled before a time (µs), but the last
// one.
func (s *OutboxStore) Trim(ctx context.Context, before int64) error {
	_, err := s.db.Exec(ctx, `DELETE FROM outbox WHERE state IN ('done', 'failed') AND created_us<$1 AND closed_us<$1
		AND id < (SELECT MAX(id) FROM outbox)`, before)
	return err
}
