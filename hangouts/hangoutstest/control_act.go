package hangoutstest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// Parameters that several verbs have. People are named by key, e-mail or gaia id, conversations by id or key.
type (
	by struct {
		As string `json:"as"`
	}
	place struct {
		Conversation string `json:"conversation"`
	}
	forAccount struct {
		Account string `json:"account"`
	}
	forAnyAccount struct {
		Account string `json:"account,omitempty"`
	}
	inPlace struct {
		by
		place
	}
	nothing struct{}
)

func (b by) who() string { return b.As }

// actingParams are those of a verb that acts as a person.
type actingParams[Q any] interface {
	*Q
	who() string
}

// acting makes a verb of an action that yields an event.
func acting[Q any, P actingParams[Q]](help string, f func(*Person, *Q) (EventInfo, error)) verb {
	return doing(help, func(p *Person, q P) (any, error) { return f(p, q) })
}

// telling makes a verb of an action without a result.
func telling[Q any, P actingParams[Q]](help string, f func(*Person, *Q) error) verb {
	return doing(help, func(p *Person, q P) (any, error) { return nil, f(p, q) })
}

func doing[Q any, P actingParams[Q]](help string, f func(*Person, P) (any, error)) verb {
	return command(help, func(s *Server, _ context.Context, q *Q) (any, error) {
		p, err := s.actor(P(q).who())
		if err != nil {
			return nil, err
		}
		return f(p, q)
	})
}

type sendParams struct {
	inPlace
	Text     string          `json:"text,omitempty"`
	Markdown bool            `json:"markdown,omitempty"`
	Me       bool            `json:"me,omitempty"`
	Message  json.RawMessage `json:"message,omitempty" control:"ChatMessage"`
}

type sendManyParams struct {
	inPlace
	Texts []string `json:"texts"`
}

type photoParams struct {
	inPlace
	Name string `json:"name"`
	Data []byte `json:"data"`
	Text string `json:"text,omitempty"`
}

type renameParams struct {
	inPlace
	Name string `json:"name"`
}

type peopleParams struct {
	inPlace
	People []string `json:"people"`
}

type callParams struct {
	inPlace
	Type string `json:"type,omitempty" control:"start|end|ongoing"`
}

type typingParams struct {
	inPlace
	Type string `json:"type,omitempty" control:"started|paused|stopped"`
}

type focusParams struct {
	inPlace
	Type string `json:"type,omitempty" control:"focused|unfocused"`
}

type watermarkParams struct {
	inPlace
	US uint64 `json:"us,omitempty"`
}

type createParams struct {
	by
	Group  bool     `json:"group,omitempty"`
	Name   string   `json:"name,omitempty"`
	People []string `json:"people"`
}

type presenceParams struct {
	by
	Type string `json:"type,omitempty" control:"desktop_active|desktop_idle|none"`
	Text string `json:"text,omitempty"`
}

type profileParams struct {
	by
	Name      string `json:"name"`
	FirstName string `json:"first_name,omitempty"`
	PhotoURL  string `json:"photo_url,omitempty"`
}

// actVerbs act as a person; those that make an event answer with it.
var actVerbs = map[string]verb{
	"send": acting("send a message: a text, or a ChatMessage in protobuf JSON", controlSend),
	"send-many": doing("send several messages in order", func(p *Person, q *sendManyParams) (any, error) {
		events := []EventInfo{}
		for _, text := range q.Texts {
			e, err := p.Send(q.Conversation, text)
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		return events, nil
	}),
	"photo": acting("send a picture", func(p *Person, q *photoParams) (EventInfo, error) {
		return p.SendPhoto(q.Conversation, q.Text, q.Name, q.Data)
	}),
	"rename": acting("rename a conversation", func(p *Person, q *renameParams) (EventInfo, error) {
		return p.Rename(q.Conversation, q.Name)
	}),
	"add": acting("add people to a group", func(p *Person, q *peopleParams) (EventInfo, error) {
		return p.Add(q.Conversation, q.People...)
	}),
	"remove": acting("remove one person from a group", func(p *Person, q *peopleParams) (EventInfo, error) {
		if len(q.People) != 1 {
			return EventInfo{}, fmt.Errorf("%w: one person", ErrInvalid)
		}
		return p.Remove(q.Conversation, q.People[0])
	}),
	"leave": acting("leave a group", func(p *Person, q *inPlace) (EventInfo, error) {
		return p.Leave(q.Conversation)
	}),
	"call": acting("announce a call, by default its start", func(p *Person, q *callParams) (EventInfo, error) {
		n, err := enumValue(pb.HangoutEventType_value, q.Type, "start")
		if err != nil {
			return EventInfo{}, err
		}
		return p.Call(q.Conversation, pb.HangoutEventType(n))
	}),
	"create": doing("create a conversation, or find the one-to-one", func(p *Person, q *createParams) (any, error) {
		id, err := p.Create(q.Group, q.Name, q.People...)
		if err != nil {
			return nil, err
		}
		return map[string]string{"conversation_id": id}, nil
	}),
	"typing": telling("type; by default started", func(p *Person, q *typingParams) error {
		n, err := enumValue(pb.TypingType_value, q.Type, "started")
		if err != nil {
			return err
		}
		return p.Typing(q.Conversation, pb.TypingType(n))
	}),
	"focus": telling("set focus; by default focused", func(p *Person, q *focusParams) error {
		n, err := enumValue(pb.FocusType_value, q.Type, "focused")
		if err != nil {
			return err
		}
		return p.Focus(q.Conversation, pb.FocusType(n))
	}),
	"presence": telling("set presence, by default desktop_active, and status message", func(p *Person, q *presenceParams) error {
		n, err := enumValue(pb.ClientPresenceStateType_value, q.Type, "desktop_active")
		if err != nil {
			return err
		}
		return p.SetPresence(pb.ClientPresenceStateType(n), q.Text)
	}),
	"profile": telling("change what lookups show", func(p *Person, q *profileParams) error {
		return p.SetProfile(q.Name, q.FirstName, q.PhotoURL)
	}),
	"watermark": telling("read up to a time in µs, by default the newest event", func(p *Person, q *watermarkParams) error {
		return p.Read(q.Conversation, q.US)
	}),
	"add-person": command("add somebody; answers with gaia id and credentials", func(s *Server, _ context.Context, q *ScenarioPerson) (any, error) {
		p, err := s.AddPerson(*q)
		if err != nil {
			return nil, err
		}
		return p.Info(), nil
	}),
}

func controlSend(p *Person, q *sendParams) (EventInfo, error) {
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

type pushParams struct {
	forAccount
	Update json.RawMessage `json:"update" control:"StateUpdate"`
}

type payloadParams struct {
	forAccount
	Payload string `json:"payload"`
}

type arrayParams struct {
	forAccount
	Array json.RawMessage `json:"array"`
}

// pushVerbs push anything.
var pushVerbs = map[string]verb{
	"push": command("push a StateUpdate in protobuf JSON", func(s *Server, _ context.Context, q *pushParams) (any, error) {
		u := &pb.StateUpdate{}
		if err := (protojson.UnmarshalOptions{AllowPartial: true}).Unmarshal(q.Update, u); err != nil {
			return nil, fmt.Errorf("%w: update: %w", ErrInvalid, err)
		}
		return nil, s.Push(q.Account, u)
	}),
	"push-payload": command("push any text as babel payload", func(s *Server, _ context.Context, q *payloadParams) (any, error) {
		return map[string]int{"channels": s.PushPayload(q.Account, q.Payload)}, nil
	}),
	"push-array": command("push any JSON as data array", func(s *Server, _ context.Context, q *arrayParams) (any, error) {
		return map[string]int{"channels": s.PushArray(q.Account, string(q.Array))}, nil
	}),
}
