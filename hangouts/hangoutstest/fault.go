package hangoutstest

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// FaultKind says what goes wrong.
type FaultKind string

// Faults of requests: API, channel, account and upload endpoints.
const (
	// FaultStatus answers HTTP status Status (with Reason, RetryAfter) without accepting.
	FaultStatus FaultKind = "status"
	// FaultResponse answers HTTP 200 with ResponseHeader status Status and Description, without accepting.
	FaultResponse FaultKind = "response"
	// FaultDelay waits Delay before the request is handled, or before an update is pushed.
	FaultDelay FaultKind = "delay"
	// FaultDelayAnswer handles at once (and pushes) and answers after Delay.
	FaultDelayAnswer FaultKind = "delay_answer"
	// FaultLoseRequest cuts the connection without accepting.
	FaultLoseRequest FaultKind = "lose_request"
	// FaultLoseAnswer accepts the request, then cuts the connection instead of answering.
	FaultLoseAnswer FaultKind = "lose_answer"
	// FaultTruncate accepts, answers half of the body, then cuts the connection. On channel/poll
	// it is half of what comes after the opening, or everything behind Limit bytes of the body
	// when that is set; the SID stays, the rest is lost.
	FaultTruncate FaultKind = "truncate"
	// FaultSilence does not accept and says nothing, for Delay or until the client gives up.
	FaultSilence FaultKind = "silence"
	// FaultBadBase64 accepts and answers something that is not base64.
	FaultBadBase64 FaultKind = "bad_base64"
	// FaultNoHeader accepts and answers without ResponseHeader.
	FaultNoHeader FaultKind = "no_header"
	// FaultUnknownSID forgets the SID and answers 400 Unknown SID (channel/poll, channel/services).
	FaultUnknownSID FaultKind = "unknown_sid"
	// FaultRefuseServices answers a services POST with a service error and subscribes nothing.
	FaultRefuseServices FaultKind = "refuse_services"
	// FaultClose puts Connection: close on the answer.
	FaultClose FaultKind = "close"
	// FaultSplit writes a poll byte by byte.
	FaultSplit FaultKind = "split"
	// FaultMute keeps a poll open without writing anything, keep-alives included.
	FaultMute FaultKind = "mute"
	// FaultWrongLength announces Limit (default 5, may be negative) units more than there are for the
	// first chunk after the opening of a poll.
	FaultWrongLength FaultKind = "wrong_length"
	// FaultSyncCut ends syncallnewevents after Limit events, sync_timestamp at the last.
	FaultSyncCut FaultKind = "sync_cut"
	// FaultSyncStuck answers syncallnewevents with the sync_timestamp it was given and no events.
	FaultSyncStuck FaultKind = "sync_stuck"
	// FaultClearCache sets clear_cache_and_resync in syncallnewevents and gives no events.
	FaultClearCache FaultKind = "clear_cache"
)

// Faults of pushed state updates.
const (
	// FaultLose drops the update.
	FaultLose FaultKind = "lose"
	// FaultDuplicate pushes it twice.
	FaultDuplicate FaultKind = "duplicate"
	// FaultMalformed puts a malformed update before it in the same batch.
	FaultMalformed FaultKind = "malformed"
	// FaultGarbage pushes something that is no batch instead.
	FaultGarbage FaultKind = "garbage"
	// FaultUnknownTag pushes a payload with an unknown tag before it.
	FaultUnknownTag FaultKind = "unknown_tag"
	// FaultNullPayload pushes a null payload before it.
	FaultNullPayload FaultKind = "null_payload"
	// FaultRepeatArray writes the array of the update twice, with the same array id.
	FaultRepeatArray FaultKind = "repeat_array"
	// FaultReorder writes the array of the update behind the next one, with its own array id.
	FaultReorder FaultKind = "reorder"
	// FaultHold keeps it back and pushes it in one batch with the next update of that client.
	FaultHold FaultKind = "hold"
	// FaultBothKeys repeats the client id in the same wrapper.
	FaultBothKeys FaultKind = "both_keys"
)

var requestFaults = []FaultKind{FaultStatus, FaultResponse, FaultDelay, FaultDelayAnswer, FaultLoseRequest, FaultLoseAnswer,
	FaultTruncate, FaultSilence, FaultBadBase64, FaultNoHeader, FaultUnknownSID, FaultRefuseServices, FaultClose, FaultSplit,
	FaultMute, FaultWrongLength, FaultSyncCut, FaultSyncStuck, FaultClearCache}

var pushFaults = []FaultKind{FaultLose, FaultDuplicate, FaultMalformed, FaultGarbage, FaultUnknownTag, FaultNullPayload,
	FaultHold, FaultBothKeys, FaultRepeatArray, FaultReorder}

// Fault is one thing that goes wrong, at chosen places and so many times.
type Fault struct {
	// ID names the fault for removal; made up when empty.
	ID   string    `json:"id,omitempty"`
	Kind FaultKind `json:"kind"`
	// Account is a key, e-mail or gaia id; empty = every account. Requests that name no
	// account (a token request with a wrong token) match only an empty one.
	Account string `json:"account,omitempty"`
	// Endpoint is a pattern of path.Match: "conversations/sendchatmessage", "channel/create",
	// "channel/poll", "channel/services", "account/token", "account/uberauth", "account/merge",
	// "account/login", "web/token", "web/page", "upload/start", "upload/data", "push/event", "push/typing",
	// "push/watermark", "push/*". Empty = every request, or every push for a push fault.
	Endpoint string `json:"endpoint,omitempty"`
	// Count is how often it happens; 0 means once, -1 until it is removed.
	Count int `json:"count,omitempty"`
	// Skip lets so many matches pass first.
	Skip int `json:"skip,omitempty"`
	// Status is an HTTP status (FaultStatus) or a response status (FaultResponse).
	Status      int    `json:"status,omitempty"`
	Reason      string `json:"reason,omitempty"`
	RetryAfter  string `json:"retry_after,omitempty"`
	Description string `json:"description,omitempty"`
	Delay       Millis `json:"delay_ms,omitempty"`
	Limit       int    `json:"limit,omitempty"`
	// Data is the JSON of the malformed update; a default exists.
	Data string `json:"data,omitempty"`
	// Hits counts how often it happened.
	Hits int `json:"hits" control:"-"`

	gaia string
}

func (f *Fault) malformed() string {
	if f.Data != "" {
		return f.Data
	}
	return `["header",null,[[["no such conversation"],{"1":true},"yesterday",[7],"x",-1,[null,[],"segments"]]],null,7]`
}

type stage int

const (
	stageRequest stage = iota
	stagePush
)

func (f *Fault) matches(st stage, gaia, endpoint string) bool {
	if f.gaia != "" && f.gaia != gaia {
		return false
	}
	pushOnly := slices.Contains(pushFaults, f.Kind)
	if f.Endpoint == "" || f.Endpoint == "*" {
		return (st == stagePush) == pushOnly
	}
	if (st == stagePush) != strings.HasPrefix(f.Endpoint, "push/") {
		return false
	}
	ok, err := path.Match(f.Endpoint, endpoint)
	return ok && err == nil
}

// faultSet holds the faults in force. It has its own lock: requests consult it outside
// Server.mu.
type faultSet struct {
	mu   sync.Mutex
	list []*Fault
	next int
}

func (fs *faultSet) add(f Fault) (string, error) {
	if !slices.Contains(requestFaults, f.Kind) && !slices.Contains(pushFaults, f.Kind) {
		return "", fmt.Errorf("%w: unknown fault %q", ErrInvalid, f.Kind)
	}
	if _, err := path.Match(f.Endpoint, "x"); err != nil {
		return "", fmt.Errorf("%w: endpoint pattern %q", ErrInvalid, f.Endpoint)
	}
	if f.Kind == FaultStatus && (f.Status < 200 || f.Status > 599) {
		return "", fmt.Errorf("%w: HTTP status %d", ErrInvalid, f.Status)
	}
	if f.Count == 0 {
		f.Count = 1
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.list) >= maxFaults {
		return "", fmt.Errorf("%w: more than %d faults", ErrInvalid, maxFaults)
	}
	fs.next++
	if f.ID == "" {
		f.ID = fmt.Sprintf("f%d", fs.next)
	}
	f.Hits = 0
	fs.list = append(fs.list, &f)
	return f.ID, nil
}

// takeAll counts and returns copies of the faults that hit one request or push.
func (fs *faultSet) takeAll(st stage, gaia, endpoint string) []*Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var hit []*Fault
	for _, f := range fs.list {
		if f.Count == 0 || !f.matches(st, gaia, endpoint) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Count > 0 {
			f.Count--
		}
		f.Hits++
		c := *f
		hit = append(hit, &c)
	}
	return hit
}

func (fs *faultSet) take(st stage, gaia, endpoint string) *Fault {
	if hit := fs.takeAll(st, gaia, endpoint); len(hit) > 0 {
		return hit[0]
	}
	return nil
}

// remove ends a fault, or all of them for an empty id, and returns those removed.
func (fs *faultSet) remove(id string) []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var gone []Fault
	fs.list = slices.DeleteFunc(fs.list, func(f *Fault) bool {
		if id == "" || f.ID == id {
			gone = append(gone, *f)
			return true
		}
		return false
	})
	return gone
}

func (fs *faultSet) all() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := make([]Fault, 0, len(fs.list))
	for _, f := range fs.list {
		list = append(list, *f)
	}
	return list
}

// Inject adds a fault and returns its id. Errors: ErrInvalid, ErrNotFound (account).
func (s *Server) Inject(f Fault) (string, error) {
	if f.Account != "" {
		s.mu.Lock()
		p := s.world.person(f.Account)
		s.mu.Unlock()
		if p == nil {
			return "", fmt.Errorf("account %q: %w", f.Account, ErrNotFound)
		}
		f.gaia = p.GaiaID
	}
	return s.faults.add(f)
}

// Faults lists all faults with their hits, those used up included.
func (s *Server) Faults() []Fault { return s.faults.all() }

// RemoveFault ends a fault; an empty id ends all. It returns those removed with their hits.
func (s *Server) RemoveFault(id string) []Fault { return s.faults.remove(id) }

// pick returns the first fault of a kind.
func pick(faults []*Fault, kind FaultKind) *Fault {
	for _, f := range faults {
		if f.Kind == kind {
			return f
		}
	}
	return nil
}

func faultNames(kinds []FaultKind) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, " ")
}
