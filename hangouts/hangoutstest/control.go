package hangoutstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// controlPrefix is the path of the control interface. Through the proxy it does not exist.
const controlPrefix = "/_control"

// controlRequest holds the parameters of all verbs; each verb names those it reads.
type controlRequest struct {
	As           string          `json:"as"`           // who acts: key, e-mail or gaia id
	Account      string          `json:"account"`      // key, e-mail or gaia id
	Conversation string          `json:"conversation"` // id or key
	Text         string          `json:"text"`
	Texts        []string        `json:"texts"`
	Markdown     bool            `json:"markdown"`
	Me           bool            `json:"me"`
	Message      json.RawMessage `json:"message"` // a ChatMessage in protobuf JSON
	Type         string          `json:"type"`
	US           uint64          `json:"us"`
	Name         string          `json:"name"`
	FirstName    string          `json:"first_name"`
	PhotoURL     string          `json:"photo_url"`
	People       []string        `json:"people"`
	Group        bool            `json:"group"`
	How          DropHow         `json:"how"`
	ID           string          `json:"id"`
	Since        int             `json:"since"`
	Endpoint     string          `json:"endpoint"`
	Count        int             `json:"count"`
	TimeoutMS    Millis          `json:"timeout_ms"`
	AdvanceMS    Millis          `json:"advance_ms"`
	Data         []byte          `json:"data"` // base64
	Update       json.RawMessage `json:"update"`
	Payload      string          `json:"payload"`
	Array        json.RawMessage `json:"array"`

	raw []byte
}

type verb struct {
	help string
	run  func(*Server, context.Context, *controlRequest) (any, error)
}

// wholeBody are the verbs whose body is one value of their own, not parameters.
var wholeBody = map[string]bool{"add-person": true, "config": true, "fault": true}

// handleControl serves POST (or GET without parameters) /_control/{verb}.
func (s *Server) handleControl(mux *http.ServeMux) {
	mux.HandleFunc(controlPrefix+"/{verb}", func(w http.ResponseWriter, r *http.Request) {
		v, ok := verbs[r.PathValue("verb")]
		if !ok || proxied(r) {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such verb"})
			return
		}
		req := &controlRequest{}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
		if err == nil && len(bytes.TrimSpace(body)) > 0 {
			req.raw = body
			if !wholeBody[r.PathValue("verb")] {
				err = json.Unmarshal(body, req)
			}
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		out, err := v.run(s, r.Context(), req)
		if err != nil {
			writeJSON(w, controlStatus(err), map[string]string{"error": err.Error()})
			return
		}
		if out == nil {
			out = struct{}{}
		}
		writeJSON(w, http.StatusOK, out)
	})
}

func controlStatus(err error) int {
	var ae *apiError
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrScenario), errors.As(err, &ae):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// actor returns who acts.
func (s *Server) actor(q *controlRequest) (*Person, error) {
	name := q.As
	if name == "" {
		name = q.Account
	}
	if p := s.Person(name); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("person %q: %w", name, ErrNotFound)
}

// acting makes a verb of an action that yields an event.
func acting(f func(*Person, *controlRequest) (EventInfo, error)) func(*Server, context.Context, *controlRequest) (any, error) {
	return func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		p, err := s.actor(q)
		if err != nil {
			return nil, err
		}
		e, err := f(p, q)
		if err != nil {
			return nil, err
		}
		return e, nil
	}
}

// telling makes a verb of an action that yields nothing.
func telling(f func(*Person, *controlRequest) error) func(*Server, context.Context, *controlRequest) (any, error) {
	return func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		p, err := s.actor(q)
		if err != nil {
			return nil, err
		}
		return nil, f(p, q)
	}
}

// enumValue finds an enum number by the end of its name: "started" for TYPING_TYPE_STARTED.
// The shortest full name wins.
func enumValue(values map[string]int32, name, fallback string) (int32, error) {
	if name == "" {
		name = fallback
	}
	best := ""
	for full := range values {
		hit := strings.EqualFold(full, name) || strings.HasSuffix(full, "_"+strings.ToUpper(name))
		if hit && (best == "" || len(full) < len(best) || (len(full) == len(best) && full < best)) {
			best = full
		}
	}
	if best != "" {
		return values[best], nil
	}
	return 0, fmt.Errorf("%w: type %q", ErrInvalid, name)
}

func controlSend(p *Person, q *controlRequest) (EventInfo, error) {
	if len(q.Message) > 0 {
		m := &pb.ChatMessage{}
		if err := (protojson.UnmarshalOptions{AllowPartial: true}).Unmarshal(q.Message, m); err != nil {
			return EventInfo{}, fmt.Errorf("%w: message: %w", ErrInvalid, err)
		}
		return p.SendMessage(q.Conversation, m)
	}
	m := &pb.ChatMessage{MessageContent: &pb.MessageContent{Segment: textSegments(q.Text, q.Markdown)}}
	if q.Me {
		kind := int32(4)
		m.Annotation = []*pb.EventAnnotation{{Type: &kind}}
	}
	return p.SendMessage(q.Conversation, m)
}

// waitFor is the context of a waiting verb: timeout_ms, default 30 s.
func waitFor(ctx context.Context, q *controlRequest) (context.Context, context.CancelFunc) {
	d := q.TimeoutMS.Duration()
	if d <= 0 {
		d = 30 * time.Second
	}
	return context.WithTimeout(ctx, d)
}

// ControlHelp lists the verbs of the control interface, one line each.
func ControlHelp() string {
	var sb strings.Builder
	for _, name := range verbNames() {
		fmt.Fprintf(&sb, "  %-19s %s\n", name, verbs[name].help)
	}
	return sb.String()
}
