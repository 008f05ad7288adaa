package hangoutstest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func verbNames() []string { return slices.Sorted(maps.Keys(verbs)) }

// verbs is the control interface. Filled in init because help reads it.
var verbs map[string]verb

func init() {
	verbs = map[string]verb{
		"help": {"{}: this list", func(*Server, context.Context, *controlRequest) (any, error) {
			out := map[string]string{}
			for name, v := range verbs {
				out[name] = v.help
			}
			return out, nil
		}},
	}
	maps.Copy(verbs, actVerbs)
	maps.Copy(verbs, faultVerbs)
	maps.Copy(verbs, stateVerbs)
}

// actVerbs act as a person; those that make an event answer with it.
var actVerbs = map[string]verb{
	"send": {"{as, conversation, text, markdown?, me?} or {…, message}: send a message", acting(controlSend)},
	"send-many": {"{as, conversation, texts}: send several messages in order", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		p, err := s.actor(q)
		if err != nil {
			return nil, err
		}
		events := []EventInfo{}
		for _, text := range q.Texts {
			e, err := p.Send(q.Conversation, text)
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		return events, nil
	}},
	"photo": {"{as, conversation, name, data (base64), text?}: send a picture", acting(func(p *Person, q *controlRequest) (EventInfo, error) {
		return p.SendPhoto(q.Conversation, q.Text, q.Name, q.Data)
	})},
	"rename": {"{as, conversation, name}: rename", acting(func(p *Person, q *controlRequest) (EventInfo, error) {
		return p.Rename(q.Conversation, q.Name)
	})},
	"add": {"{as, conversation, people}: add to a group", acting(func(p *Person, q *controlRequest) (EventInfo, error) {
		return p.Add(q.Conversation, q.People...)
	})},
	"remove": {"{as, conversation, people: [one]}: remove from a group", acting(func(p *Person, q *controlRequest) (EventInfo, error) {
		if len(q.People) != 1 {
			return EventInfo{}, fmt.Errorf("%w: one person", ErrInvalid)
		}
		return p.Remove(q.Conversation, q.People[0])
	})},
	"leave": {"{as, conversation}: leave a group", acting(func(p *Person, q *controlRequest) (EventInfo, error) {
		return p.Leave(q.Conversation)
	})},
	"call": {"{as, conversation, type?: start|end|ongoing}: announce a call", acting(func(p *Person, q *controlRequest) (EventInfo, error) {
		n, err := enumValue(pb.HangoutEventType_value, q.Type, "start")
		if err != nil {
			return EventInfo{}, err
		}
		return p.Call(q.Conversation, pb.HangoutEventType(n))
	})},
	"create": {"{as, group?, name?, people}: create a conversation, or find the one-to-one", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		p, err := s.actor(q)
		if err != nil {
			return nil, err
		}
		id, err := p.Create(q.Group, q.Name, q.People...)
		if err != nil {
			return nil, err
		}
		return map[string]string{"conversation_id": id}, nil
	}},
	"typing": {"{as, conversation, type?: started|paused|stopped}: type", telling(func(p *Person, q *controlRequest) error {
		n, err := enumValue(pb.TypingType_value, q.Type, "started")
		if err != nil {
			return err
		}
		return p.Typing(q.Conversation, pb.TypingType(n))
	})},
	"focus": {"{as, conversation, type?: focused|unfocused}: set focus", telling(func(p *Person, q *controlRequest) error {
		n, err := enumValue(pb.FocusType_value, q.Type, "focused")
		if err != nil {
			return err
		}
		return p.Focus(q.Conversation, pb.FocusType(n))
	})},
	"presence": {"{as, type?: desktop_active|desktop_idle|none, text?}: set presence and status message", telling(func(p *Person, q *controlRequest) error {
		n, err := enumValue(pb.ClientPresenceStateType_value, q.Type, "desktop_active")
		if err != nil {
			return err
		}
		return p.SetPresence(pb.ClientPresenceStateType(n), q.Text)
	})},
	"profile": {"{as, name, first_name?, photo_url?}: change what lookups show", telling(func(p *Person, q *controlRequest) error {
		return p.SetProfile(q.Name, q.FirstName, q.PhotoURL)
	})},
	"watermark": {"{as, conversation, us?}: read up to a time in µs, default the newest event", telling(func(p *Person, q *controlRequest) error {
		return p.Read(q.Conversation, q.US)
	})},
	"add-person": {"a person as in a scenario: add somebody; answers with gaia id and credentials", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		var sp ScenarioPerson
		if err := json.Unmarshal(q.raw, &sp); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		p, err := s.AddPerson(sp)
		if err != nil {
			return nil, err
		}
		return p.Info(), nil
	}},
	"push": {"{account, update}: push a StateUpdate in protobuf JSON", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		u := &pb.StateUpdate{}
		if err := (protojson.UnmarshalOptions{AllowPartial: true}).Unmarshal(q.Update, u); err != nil {
			return nil, fmt.Errorf("%w: update: %w", ErrInvalid, err)
		}
		return nil, s.Push(q.Account, u)
	}},
	"push-payload": {"{account, payload}: push any text as babel payload", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		return map[string]int{"channels": s.PushPayload(q.Account, q.Payload)}, nil
	}},
	"push-array": {"{account, array}: push any JSON as data array", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		return map[string]int{"channels": s.PushArray(q.Account, string(q.Array))}, nil
	}},
}

// faultVerbs make things go wrong.
var faultVerbs = map[string]verb{
	"fault": {"a fault {kind, account?, endpoint?, count?, skip?, status?, reason?, retry_after?, description?, delay_ms?, limit?, data?}: inject", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		var f Fault
		if err := json.Unmarshal(q.raw, &f); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		id, err := s.Inject(f)
		if err != nil {
			return nil, err
		}
		return map[string]string{"id": id}, nil
	}},
	"faults": {"{}: all faults with their hits", func(s *Server, _ context.Context, _ *controlRequest) (any, error) {
		return s.Faults(), nil
	}},
	"clear-faults": {"{id?}: end one fault or all; answers with those ended", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		return append([]Fault{}, s.RemoveFault(q.ID)...), nil
	}},
	"drop": {"{account? (or a SID), how: end|truncate|cut|reset|unknown_sid|mute}: interrupt channels", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		n, err := s.Drop(q.Account, q.How)
		if err != nil {
			return nil, err
		}
		return map[string]int{"channels": n}, nil
	}},
	"invalidate-cookies": {"{account}: requests get 401 until the next login", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		return nil, s.InvalidateCookies(q.Account)
	}},
	"revoke-tokens": {"{account}: refresh tokens get invalid_grant", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		return nil, s.RevokeTokens(q.Account)
	}},
	"code": {"{account}: a single-use authorization code", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		code, err := s.AuthorizationCode(q.Account)
		if err != nil {
			return nil, err
		}
		return map[string]string{"code": code}, nil
	}},
	"config": {"settings to change (dedup, bots, noop_ms, poll_ms, …; see Settings): answers with all", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		var err error
		s.Configure(func(set *Settings) {
			changed := *set
			if len(q.raw) == 0 {
				return
			}
			if err = json.Unmarshal(q.raw, &changed); err == nil {
				*set = changed
			}
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return s.Settings(), nil
	}},
	"clock": {"{advance_ms}: move the clock forward; answers with the time in µs", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		s.Advance(q.AdvanceMS.Duration())
		return map[string]uint64{"us": s.Now()}, nil
	}},
}

// page is a part of a log and where to go on.
type page[T any] struct {
	List []T `json:"list"`
	Next int `json:"next"`
}

// stateVerbs read state and wait for it.
var stateVerbs = map[string]verb{
	"accounts": {"{}: all accounts with credentials", func(s *Server, _ context.Context, _ *controlRequest) (any, error) {
		return append([]AccountInfo{}, s.Accounts()...), nil
	}},
	"people": {"{}: everybody", func(s *Server, _ context.Context, _ *controlRequest) (any, error) {
		return s.People(), nil
	}},
	"conversations": {"{}: all conversations with members and watermarks", func(s *Server, _ context.Context, _ *controlRequest) (any, error) {
		return s.Conversations(), nil
	}},
	"events": {"{conversation?, since?}: events in order from index since, with sender and client_generated_id", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		list := s.Events(q.Conversation)
		at := min(max(q.Since, 0), len(list))
		return page[EventInfo]{append([]EventInfo{}, list[at:]...), len(list)}, nil
	}},
	"channels": {"{account?}: channel sessions", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		return append([]ChannelInfo{}, s.Channels(q.Account)...), nil
	}},
	"requests": {"{since?}: requests seen, decoded", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		list, next := s.Requests(q.Since)
		type full struct {
			RequestInfo
			Message json.RawMessage `json:"message,omitempty"`
		}
		out := page[full]{List: []full{}, Next: next}
		for _, r := range list {
			out.List = append(out.List, full{r, messageJSON(r.Message)})
		}
		return out, nil
	}},
	"deliveries": {"{since?}: arrays written to channels", func(s *Server, _ context.Context, q *controlRequest) (any, error) {
		list, next := s.Deliveries(q.Since)
		return page[Delivery]{append([]Delivery{}, list...), next}, nil
	}},
	"stats": {"{}: counters", func(s *Server, _ context.Context, _ *controlRequest) (any, error) {
		return s.Stats(), nil
	}},
	"wait-subscribed": {"{account, count, timeout_ms?}: wait for that many clients with open, subscribed channels", func(s *Server, ctx context.Context, q *controlRequest) (any, error) {
		p, err := s.actor(q)
		if err != nil {
			return nil, err
		}
		ctx, cancel := waitFor(ctx, q)
		defer cancel()
		return nil, p.WaitSubscribed(ctx, q.Count)
	}},
	"wait-events": {"{conversation, count, timeout_ms?}: wait until a conversation has that many events", func(s *Server, ctx context.Context, q *controlRequest) (any, error) {
		ctx, cancel := waitFor(ctx, q)
		defer cancel()
		return nil, s.WaitEvents(ctx, q.Conversation, q.Count)
	}},
	"wait-requests": {"{account?, endpoint, count, timeout_ms?}: wait until that many requests were seen", func(s *Server, ctx context.Context, q *controlRequest) (any, error) {
		gaia := ""
		if q.Account != "" {
			p, err := s.actor(q)
			if err != nil {
				return nil, err
			}
			gaia = p.GaiaID()
		}
		ctx, cancel := waitFor(ctx, q)
		defer cancel()
		return nil, s.WaitRequests(ctx, gaia, q.Endpoint, q.Count)
	}},
}

// PersonInfo is somebody in the server's world.
type PersonInfo struct {
	Key        string `json:"key"`
	GaiaID     string `json:"gaia_id"`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	Account    bool   `json:"account"`
	OffNetwork bool   `json:"off_network,omitempty"`
	Bot        string `json:"bot,omitempty"`
}

// People lists everybody in the order of creation.
func (s *Server) People() []PersonInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []PersonInfo{}
	for _, id := range s.world.peopleIDs {
		p := s.world.people[id]
		out = append(out, PersonInfo{p.Key, p.GaiaID, p.Name, p.Email, p.Phone, p.Account, p.OffNetwork, p.Bot})
	}
	return out
}

// Invitations lists the addresses of sendoffnetworkinvitation.
func (s *Server) Invitations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.world.invited)
}
