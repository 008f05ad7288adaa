package homeserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"go.mau.fi/util/exhttp"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// maxTransaction bounds the body of a transaction. Homeservers put up to 100 events of up
// to 64 KiB into one, and ephemeral data.
const maxTransaction = 64 << 20

// transactions takes the homeserver's transactions: room events go into the inbox.
type transactions struct{ *Connector }

// transactionBody is a transaction taken apart only as far as needed.
type transactionBody struct {
	events    []json.RawMessage
	ephemeral []json.RawMessage
}

func parseTransaction(raw []byte) (*transactionBody, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	body := &transactionBody{}
	for _, key := range []string{"events", "ephemeral", "de.sorunome.msc2409.ephemeral"} {
		part, ok := fields[key]
		if !ok {
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal(part, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if key == "events" {
			body.events = list
		} else if body.ephemeral == nil {
			body.ephemeral = list // both spellings hold the same
		}
	}
	return body, nil
}

// ServeHTTP implements http.Handler. It answers 200 only when the keys and all room events of the
// transaction are stored.
func (t *transactions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !t.AS.CheckServerToken(w, r) {
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTransaction))
	if err != nil {
		mautrix.MTooLarge.WithMessage("Transaction cannot be read or is too large").Write(w)
		return
	}
	body, err := parseTransaction(raw)
	if err != nil {
		t.inbox.log.Warn().Err(err).Str("transaction", r.PathValue("txnID")).Msg("Refusing a transaction that cannot be read")
		mautrix.MBadJSON.WithMessage("Failed to parse transaction").Write(w)
		return
	}
	if t.keys != nil {
		if err = t.keys.take(r.Context(), raw); err != nil {
			mautrix.MUnknown.WithMessage("Encryption is not ready").Write(w)
			return
		}
	}
	rows, late := t.rows(body.events)
	if late {
		t.reconciliation.suspect(false)
	}
	if err = t.reconciliation.put(r.Context(), rows); err != nil {
		t.reconciliation.suspect(false) // the homeserver stores what follows and repeats this
		t.inbox.log.Err(err).Str("transaction", r.PathValue("txnID")).Msg("Failed to store a transaction; the homeserver will repeat it")
		mautrix.MUnknown.WithMessage("Failed to store transaction").Write(w)
		return
	}
	t.ephemeral.put(body.ephemeral)
	exhttp.WriteEmptyJSONResponse(w, http.StatusOK)
}

// rows are the events of a transaction that somebody may have to handle. late tells that
// the homeserver did not push them at once.
func (t *transactions) rows(events []json.RawMessage) (rows []database.InboxRow, late bool) {
	for _, raw := range events {
		var e event.Event
		if err := json.Unmarshal(raw, &e); err != nil || e.ID == "" {
			t.inbox.log.Warn().Err(err).Msg("Skipping an event that cannot be read")
			continue
		}
		late = late || e.Unsigned.Age >= lateAge.Milliseconds()
		if !t.isOwnMessage(&e) {
			rows = append(rows, database.InboxRow{EventID: string(e.ID), RoomID: string(e.RoomID), Body: string(raw)})
		}
	}
	return rows, late
}
