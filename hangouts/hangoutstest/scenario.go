package hangoutstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Scenario is the world a server starts with, as Go value and as JSON file:
//
//	{
//	  "people": [
//	    {"key": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "account": true},
//	    {"key": "bob", "name": "Bob", "bot": "echo"}
//	  ],
//	  "conversations": [
//	    {"type": "one_to_one", "members": ["ada", "bob"],
//	     "history": [{"from": "bob", "text": "Hello Ada", "ago": "2h"}]},
//	    {"key": "team", "type": "group", "name": "Team", "members": ["ada", "bob"]}
//	  ]
//	}
type Scenario struct {
	// Seed wins over Options.Seed when not 0.
	Seed          uint64                 `json:"seed,omitempty"`
	People        []ScenarioPerson       `json:"people"`
	Conversations []ScenarioConversation `json:"conversations,omitempty"`
}

// ScenarioPerson is one human, with or without an account that can log in.
type ScenarioPerson struct {
	// Key names the person in the scenario and in control requests; default the e-mail.
	Key       string `json:"key,omitempty"`
	Name      string `json:"name,omitempty"`
	FirstName string `json:"first_name,omitempty"`
	Email     string `json:"email,omitempty"`
	// GaiaID is made up when empty.
	GaiaID string `json:"gaia_id,omitempty"`
	// Phone in E.164.
	Phone string `json:"phone,omitempty"`
	// PhotoURL "" is a generated picture of this server, "none" none, else taken as it is.
	PhotoURL string `json:"photo_url,omitempty"`
	// Account people can log in.
	Account bool `json:"account,omitempty"`
	// OffNetwork people are reached by phone only (ParticipantType GOOGLE_VOICE).
	OffNetwork bool `json:"off_network,omitempty"`
	// VoiceNumber is an account's own Google Voice number in E.164.
	VoiceNumber string `json:"voice_number,omitempty"`
	// Password for the login pages; default "password".
	Password string `json:"password,omitempty"`
	// Verification after the password: "" none, "totp", "phone", "choice" (both offered), or what
	// ends a log-in without a browser: "captcha", "prompt" (another device), "key".
	Verification string `json:"verification,omitempty"`
	// VerificationCode is the right code; default 123456.
	VerificationCode string `json:"verification_code,omitempty"`
	// Bot makes the person answer: "echo" or "chatty".
	Bot string `json:"bot,omitempty"`
	// Contacts are keys; empty means everybody.
	Contacts []string `json:"contacts,omitempty"`
}

// ScenarioConversation is one conversation with its history.
type ScenarioConversation struct {
	// Key names the conversation in control requests.
	Key string `json:"key,omitempty"`
	// ID is made up when empty.
	ID string `json:"id,omitempty"`
	// Type is "one_to_one" or "group"; default by the number of members.
	Type        string   `json:"type,omitempty"`
	Name        string   `json:"name,omitempty"`
	Members     []string `json:"members"`
	HistoryOff  bool     `json:"history_off,omitempty"`
	LinkSharing bool     `json:"link_sharing,omitempty"`
	// QuietFor, ArchivedFor, InvitedOnly name members with that personal state.
	QuietFor    []string `json:"quiet_for,omitempty"`
	ArchivedFor []string `json:"archived_for,omitempty"`
	InvitedOnly []string `json:"invited_only,omitempty"`
	// Unread maps a member to the number of newest events they have not read; default all read.
	Unread  map[string]int  `json:"unread,omitempty"`
	History []ScenarioEvent `json:"history,omitempty"`
	// Filler adds so many numbered messages before History, a minute apart, senders in turn; at
	// most 100 000.
	Filler int `json:"filler,omitempty"`
}

// ScenarioEvent is one event of a history. Without At and Ago it follows the one before by
// a minute; the last one then lies a minute before the start.
type ScenarioEvent struct {
	From string `json:"from"`
	// Text of a message; line feeds and http(s) links become segments.
	Text string `json:"text,omitempty"`
	// Markdown makes **bold** and _italic_ of Text formats.
	Markdown bool `json:"markdown,omitempty"`
	// Rename is a new title instead of a text.
	Rename string `json:"rename,omitempty"`
	// Photo is the URL of a picture that goes with the message.
	Photo string `json:"photo,omitempty"`
	// Me marks a /me action.
	Me  bool      `json:"me,omitempty"`
	At  time.Time `json:"at,omitzero"`
	Ago string    `json:"ago,omitempty"` // a Go duration before the start
	// AtUS is the exact time in microseconds and wins over At and Ago.
	AtUS uint64 `json:"at_us,omitempty"`
}

// LoadScenario reads a JSON file, or returns a built-in scenario for the names "default"
// and "demo".
func LoadScenario(name string) (*Scenario, error) {
	switch name {
	case "", "default":
		return DefaultScenario(), nil
	case "demo":
		return DemoScenario(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	defer f.Close()
	sc, err := readScenario(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return sc, nil
}

// readScenario reads one JSON value and nothing behind it.
func readScenario(r io.Reader) (*Scenario, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxScenario+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	if len(data) > maxScenario {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrScenario, maxScenario)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var sc Scenario
	if err := dec.Decode(&sc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrScenario, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the JSON value", ErrScenario)
	}
	return &sc, nil
}
