package hangups

import (
	"context"
	"encoding/json"
	"time"
)

// LoginOptions say how the client connects. One of RefreshToken, AuthorizationCode, or
// Email with Password (and VerificationCode) is needed.
type LoginOptions struct {
	RefreshToken      string
	AuthorizationCode string
	Email             string
	Password          string
	VerificationCode  string
	// MaxRetries before the client gives up; default very many.
	MaxRetries int
	// BackoffBase of the client's waiting; default 1, which waits 1 s each time.
	BackoffBase float64
	// Resume connects anew when the client gave up, and emits what was missed.
	Resume bool
	// Updates emits every state update too.
	Updates bool
}

// Login logs in, connects and builds the lists.
func (d *Driver) Login(ctx context.Context, o LoginOptions) error {
	params := map[string]any{"resume": o.Resume, "updates": o.Updates}
	for name, value := range map[string]string{
		"refresh_token": o.RefreshToken, "authorization_code": o.AuthorizationCode, "email": o.Email,
		"password": o.Password, "verification_code": o.VerificationCode,
	} {
		if value != "" {
			params[name] = value
		}
	}
	if o.MaxRetries > 0 {
		params["max_retries"] = o.MaxRetries
	}
	if o.BackoffBase > 0 {
		params["retry_backoff_base"] = o.BackoffBase
	}
	return d.Do(ctx, "login", params, nil)
}

// Send sends a text literally and returns the created message.
func (d *Driver) Send(ctx context.Context, conversation, text string) (Event, error) {
	return d.send(ctx, map[string]any{"conversation_id": conversation, "text": text})
}

// SendMarkdown sends a text with the client's own markup.
func (d *Driver) SendMarkdown(ctx context.Context, conversation, text string) (Event, error) {
	return d.send(ctx, map[string]any{"conversation_id": conversation, "text": text, "markdown": true})
}

// SendImage uploads an image and sends it with a text.
func (d *Driver) SendImage(ctx context.Context, conversation, text, name string, data []byte) (Event, error) {
	return d.send(ctx, map[string]any{"conversation_id": conversation, "text": text, "image": encode(data), "image_name": name})
}

func (d *Driver) send(ctx context.Context, params map[string]any) (Event, error) {
	var out struct {
		Message Event `json:"message"`
	}
	err := d.Do(ctx, "send", params, &out)
	return out.Message, err
}

// SendMany sends texts in order, each after the one before was answered, with a pause after
// each, and returns the event ids.
func (d *Driver) SendMany(ctx context.Context, conversation string, texts []string, pause time.Duration) ([]string, error) {
	var out struct {
		EventIDs []string `json:"event_ids"`
	}
	err := d.Do(ctx, "send_many", map[string]any{
		"conversation_id": conversation, "texts": texts, "interval_ms": float64(pause) / float64(time.Millisecond)}, &out)
	return out.EventIDs, err
}

// List returns the client's conversations.
func (d *Driver) List(ctx context.Context) ([]Conversation, error) {
	var out struct {
		Conversations []Conversation `json:"conversations"`
	}
	err := d.Do(ctx, "list", nil, &out)
	return out.Conversations, err
}

// Users returns the client's user list.
func (d *Driver) Users(ctx context.Context) ([]User, error) {
	var out struct {
		Users []User `json:"users"`
	}
	err := d.Do(ctx, "users", nil, &out)
	return out.Users, err
}

// History returns up to n events before an event that the client has loaded, oldest first,
// or the newest loaded ones when before is empty.
func (d *Driver) History(ctx context.Context, conversation, before string, n int) ([]Event, error) {
	params := map[string]any{"conversation_id": conversation, "max_events": n}
	if before != "" {
		params["before"] = before
	}
	var out struct {
		Events []Event `json:"events"`
	}
	err := d.Do(ctx, "history", params, &out)
	return out.Events, err
}

// Typing sets the typing state: started, paused or stopped.
func (d *Driver) Typing(ctx context.Context, conversation, kind string) error {
	return d.Do(ctx, "typing", map[string]any{"conversation_id": conversation, "type": kind}, nil)
}

// Watermark reads up to a time in µs; 0 means the newest event loaded. The client sends
// nothing when it knows a later one.
func (d *Driver) Watermark(ctx context.Context, conversation string, us uint64) error {
	params := map[string]any{"conversation_id": conversation}
	if us != 0 {
		params["timestamp_us"] = us
	}
	return d.Do(ctx, "watermark", params, nil)
}

// CreateConversation makes or finds a conversation and returns its id.
func (d *Driver) CreateConversation(ctx context.Context, group bool, name string, gaiaIDs ...string) (string, error) {
	var out struct {
		ConversationID string `json:"conversation_id"`
	}
	err := d.Do(ctx, "create_conversation", map[string]any{"group": group, "name": name, "gaia_ids": gaiaIDs}, &out)
	return out.ConversationID, err
}

// Rename sets the title of a conversation.
func (d *Driver) Rename(ctx context.Context, conversation, name string) error {
	return d.Do(ctx, "rename", map[string]any{"conversation_id": conversation, "name": name}, nil)
}

// Leave leaves a group or deletes a one-to-one conversation.
func (d *Driver) Leave(ctx context.Context, conversation string) error {
	return d.Do(ctx, "leave", map[string]any{"conversation_id": conversation}, nil)
}

// SetActive tells the server that this client is being used.
func (d *Driver) SetActive(ctx context.Context) error { return d.Do(ctx, "set_active", nil, nil) }

// Request makes any low-level call: method of hangups.Client, the name of its request
// message, and the message in protobuf JSON (its header is set by the driver).
func (d *Driver) Request(ctx context.Context, method, message string, request map[string]any) (json.RawMessage, error) {
	var out struct {
		Response json.RawMessage `json:"response"`
	}
	err := d.Do(ctx, "request", map[string]any{"method": method, "message": message, "request": request}, &out)
	return out.Response, err
}

// Disconnect ends the connection; the process stays.
func (d *Driver) Disconnect(ctx context.Context) error { return d.Do(ctx, "disconnect", nil, nil) }
