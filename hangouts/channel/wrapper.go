package channel

import (
	"encoding/json"
	"fmt"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/internal/bounds"
)

// Payload is what a service pushed (protocol §5.9).
type Payload struct {
	// Service names the service, "babel" for chat. It may be empty.
	Service string
	// Source is "conserver.google.com" for chat.
	Source string
	// Text is JSON, for chat a pblite array that starts with a type tag.
	Text string
	// ArrayID is the id of the array that brought it.
	ArrayID int64
}

// entry is one [array id, data array] of a chunk.
type entry struct {
	id   int64
	data []json.RawMessage
}

// parseChunk reads the entries of a chunk. Those that are malformed are left out and counted.
func parseChunk(chunk []byte) (entries []entry, malformed int) {
	var raw []json.RawMessage
	if bounds.JSON(chunk) != nil || json.Unmarshal(chunk, &raw) != nil {
		return nil, 1
	}
	for _, one := range raw {
		var pair []json.RawMessage
		var e entry
		if json.Unmarshal(one, &pair) != nil || len(pair) < 2 ||
			json.Unmarshal(pair[0], &e.id) != nil || json.Unmarshal(pair[1], &e.data) != nil {
			malformed++
			continue
		}
		entries = append(entries, e)
	}
	return entries, malformed
}

// wrapper is the object under "p", with the keys that matter.
type wrapper struct {
	clientID     string
	payload      *Payload
	serviceError bool
}

// parseWrapper reads the data array of an entry. It gives nil for a noop and for anything
// else that is not a wrapper.
func parseWrapper(data []json.RawMessage) *wrapper {
	var box struct {
		P *string `json:"p"`
	}
	if len(data) == 0 || json.Unmarshal(data[0], &box) != nil || box.P == nil {
		return nil
	}
	var keys map[string]json.RawMessage
	if bounds.JSON([]byte(*box.P)) != nil || json.Unmarshal([]byte(*box.P), &keys) != nil {
		return nil
	}
	var w wrapper
	var client struct {
		ID string `json:"2"`
	}
	if json.Unmarshal(keys["3"], &client) == nil {
		w.clientID = client.ID
	}
	var push struct {
		From json.RawMessage `json:"1"`
		Text *string         `json:"2"`
	}
	if json.Unmarshal(keys["2"], &push) == nil && push.Text != nil {
		w.payload = &Payload{Text: *push.Text}
		var from struct {
			Service string `json:"1"`
			Source  string `json:"2"`
		}
		if json.Unmarshal(push.From, &from) == nil {
			w.payload.Service, w.payload.Source = from.Service, from.Source
		}
	}
	service, ok := keys["4"]
	w.serviceError = ok && string(service) != "null"
	return &w
}

// parseSession reads SID and gsessionid from the answer to the creating request, of which
// only the first chunk counts (protocol §5.4).
func parseSession(body []byte) (sid, gsessionid string, err error) {
	var first []byte
	seen := false
	var s Splitter
	err = s.Feed(body, func(chunk []byte) error {
		if !seen {
			first, seen = append(first, chunk...), true
		}
		return nil
	})
	if !seen {
		return "", "", fmt.Errorf("%w: no chunk (%w)", ErrMalformed, orUnexpectedEnd(err))
	}
	entries, _ := parseChunk(first)
	if len(entries) < 2 || len(entries[0].data) < 2 || len(entries[1].data) < 1 {
		return "", "", fmt.Errorf("%w: two arrays expected", ErrMalformed)
	}
	var second struct {
		GSID string `json:"gsid"`
	}
	if json.Unmarshal(entries[0].data[1], &sid) != nil || json.Unmarshal(entries[1].data[0], &second) != nil ||
		sid == "" || second.GSID == "" {
		return "", "", fmt.Errorf("%w: SID or gsessionid missing", ErrMalformed)
	}
	return sid, second.GSID, nil
}

func orUnexpectedEnd(err error) error {
	if err == nil {
		return ErrTruncated
	}
	return err
}
