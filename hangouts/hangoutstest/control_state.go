package hangoutstest

import (
	"context"
	"encoding/json"
	"reflect"
)

type faultID struct {
	ID string `json:"id,omitempty"`
}

type dropParams struct {
	Account string  `json:"account,omitempty"`
	How     DropHow `json:"how" control:"end|truncate|cut|reset|unknown_sid|mute"`
}

type clockParams struct {
	Advance Millis `json:"advance_ms"`
}

// faultVerbs make things go wrong and change settings.
var faultVerbs = map[string]verb{
	"fault": command("make requests or pushes go wrong; the kinds are listed below", func(s *Server, _ context.Context, q *Fault) (any, error) {
		id, err := s.Inject(*q)
		if err != nil {
			return nil, err
		}
		return map[string]string{"id": id}, nil
	}),
	"faults": command("all faults with their hits", func(s *Server, _ context.Context, _ *nothing) (any, error) {
		return s.Faults(), nil
	}),
	"clear-faults": command("end one fault or all; answers with those ended", func(s *Server, _ context.Context, q *faultID) (any, error) {
		return append([]Fault{}, s.RemoveFault(q.ID)...), nil
	}),
	"drop": command("interrupt channels; account may be a SID", func(s *Server, _ context.Context, q *dropParams) (any, error) {
		n, err := s.Drop(q.Account, q.How)
		if err != nil {
			return nil, err
		}
		return map[string]int{"channels": n}, nil
	}),
	"invalidate-cookies": command("requests get 401 until the next login", func(s *Server, _ context.Context, q *forAccount) (any, error) {
		return nil, s.InvalidateCookies(q.Account)
	}),
	"revoke-tokens": command("refresh tokens get invalid_grant", func(s *Server, _ context.Context, q *forAccount) (any, error) {
		return nil, s.RevokeTokens(q.Account)
	}),
	"code": command("a single-use authorization code", func(s *Server, _ context.Context, q *forAccount) (any, error) {
		code, err := s.AuthorizationCode(q.Account)
		if err != nil {
			return nil, err
		}
		return map[string]string{"code": code}, nil
	}),
	"config": {help: "change settings; answers with all", params: reflect.TypeFor[Settings](), change: true, run: controlConfig},
	"clock": command("move the clock forward; answers with the time in µs", func(s *Server, _ context.Context, q *clockParams) (any, error) {
		s.Advance(q.Advance.Duration())
		return map[string]uint64{"us": s.Now()}, nil
	}),
}

func controlConfig(s *Server, _ context.Context, body []byte) (any, error) {
	var err error
	s.Configure(func(set *Settings) {
		changed := *set
		if err = decodeStrict(body, &changed); err == nil {
			err = changed.check()
		}
		if err == nil {
			*set = changed
		}
	})
	return s.Settings(), err
}

// page is a part of a log and where to go on.
type page[T any] struct {
	List []T `json:"list"`
	Next int `json:"next"`
}

type since struct {
	Since int `json:"since,omitempty"`
}

type eventsParams struct {
	Conversation string `json:"conversation,omitempty"`
	since
}

// stateVerbs read state.
var stateVerbs = map[string]verb{
	"accounts": command("all accounts with credentials", func(s *Server, _ context.Context, _ *nothing) (any, error) {
		return append([]AccountInfo{}, s.Accounts()...), nil
	}),
	"people": command("everybody", func(s *Server, _ context.Context, _ *nothing) (any, error) {
		return s.People(), nil
	}),
	"conversations": command("all conversations with members and watermarks", func(s *Server, _ context.Context, _ *nothing) (any, error) {
		return s.Conversations(), nil
	}),
	"events": command("events in order from index since, with sender and client_generated_id", func(s *Server, _ context.Context, q *eventsParams) (any, error) {
		list := s.Events(q.Conversation)
		at := min(max(q.Since, 0), len(list))
		return page[EventInfo]{append([]EventInfo{}, list[at:]...), len(list)}, nil
	}),
	"photos": command("uploaded pictures, with the SHA-256 of their bytes", func(s *Server, _ context.Context, _ *nothing) (any, error) {
		return s.Photos(), nil
	}),
	"channels": command("channel sessions", func(s *Server, _ context.Context, q *forAnyAccount) (any, error) {
		return append([]ChannelInfo{}, s.Channels(q.Account)...), nil
	}),
	"requests": command("requests seen from number since: headers, the first 16 KiB of the body in base64, decoded message", controlRequests),
	"deliveries": command("arrays written to channels", func(s *Server, _ context.Context, q *since) (any, error) {
		list, next := s.Deliveries(q.Since)
		return page[Delivery]{append([]Delivery{}, list...), next}, nil
	}),
	"stats": command("counters", func(s *Server, _ context.Context, _ *nothing) (any, error) {
		return s.Stats(), nil
	}),
}

func controlRequests(s *Server, _ context.Context, q *since) (any, error) {
	list, next := s.Requests(q.Since)
	type full struct {
		RequestInfo
		Header  map[string][]string `json:"header"`
		Body    []byte              `json:"body,omitempty"`
		Message json.RawMessage     `json:"message,omitempty"`
	}
	out := page[full]{List: []full{}, Next: next}
	for _, r := range list {
		out.List = append(out.List, full{r, r.Header, r.Body, messageJSON(r.Message)})
	}
	return out, nil
}

type subscribedParams struct {
	forAccount
	Count int `json:"count"`
	patience
}

type waitEventsParams struct {
	place
	Count int `json:"count"`
	patience
}

type waitRequestsParams struct {
	forAnyAccount
	Endpoint string `json:"endpoint"`
	Count    int    `json:"count"`
	patience
}

// waitVerbs wait for a state, by default 30 s.
var waitVerbs = map[string]verb{
	"wait-subscribed": command("wait for that many clients with open, subscribed channels", func(s *Server, ctx context.Context, q *subscribedParams) (any, error) {
		p, err := s.actor(q.Account)
		if err != nil {
			return nil, err
		}
		ctx, cancel := q.wait(ctx)
		defer cancel()
		return nil, p.WaitSubscribed(ctx, q.Count)
	}),
	"wait-events": command("wait until a conversation has that many events", func(s *Server, ctx context.Context, q *waitEventsParams) (any, error) {
		ctx, cancel := q.wait(ctx)
		defer cancel()
		return nil, s.WaitEvents(ctx, q.Conversation, q.Count)
	}),
	"wait-requests": command("wait until that many requests were seen", func(s *Server, ctx context.Context, q *waitRequestsParams) (any, error) {
		gaia := ""
		if q.Account != "" {
			p, err := s.actor(q.Account)
			if err != nil {
				return nil, err
			}
			gaia = p.GaiaID()
		}
		ctx, cancel := q.wait(ctx)
		defer cancel()
		return nil, s.WaitRequests(ctx, gaia, q.Endpoint, q.Count)
	}),
}
