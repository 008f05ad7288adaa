package nullhs

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// sendEndpoints: messages, redactions, and what is never stored.
var sendEndpoints = []endpoint{
	{pattern: SendRoute, handle: (*Server).send},
	{pattern: "PUT " + room3 + "/redact/{event}/{txn}", handle: (*Server).redact},
	{pattern: "PUT " + room3 + "/typing/{user}", handle: (*Server).putTyping},
	{pattern: "POST " + room3 + "/receipt/{kind}/{event}", handle: (*Server).postReceipt},
	{pattern: "POST " + room3 + "/read_markers", handle: (*Server).postReadMarkers},
	{pattern: "PUT " + clientV3 + "/presence/{user}/status", handle: (*Server).putPresence},
	{pattern: "GET " + clientV3 + "/presence/{user}/status", handle: func(*Server, *call) (any, error) {
		return object{"presence": "offline"}, nil
	}},
}

func (s *Server) send(c *call) (any, error) {
	return s.once(c, func(r *room) (*pdu, error) {
		content, err := c.content()
		if err != nil {
			return nil, err
		}
		ev := &pdu{Type: c.PathValue("type"), Sender: c.who.user, Content: content}
		if own := ev.relation(); own.Type == "m.annotation" && slices.ContainsFunc(r.events, func(old *pdu) bool {
			return old.Type == ev.Type && old.Sender == ev.Sender && old.relation() == own
		}) {
			return nil, mautrix.RespError{ErrCode: "M_DUPLICATE_ANNOTATION", Err: "Can't send same reaction twice", StatusCode: http.StatusBadRequest}
		}
		return ev, nil
	})
}

func (s *Server) redact(c *call) (any, error) {
	return s.once(c, func(r *room) (*pdu, error) {
		target := r.byID[id.EventID(c.PathValue("event"))]
		if target == nil {
			return nil, mautrix.MNotFound.WithMessage("Could not find event %s", c.PathValue("event"))
		}
		if l := r.levels(); target.Sender != c.who.user && r.level(l, c.who.user) < orFifty(l.Redact) {
			return nil, mautrix.MForbidden.WithMessage("You don't have permission to redact events")
		}
		content, err := c.content()
		if err != nil {
			return nil, err
		}
		fields := strings.TrimSpace(strings.TrimPrefix(string(content), "{"))
		if fields != "}" {
			fields = "," + fields
		}
		body := `{"redacts":"` + string(target.EventID) + `"` + fields
		return &pdu{Type: "m.room.redaction", Sender: c.who.user, Content: []byte(body), Redacts: target.EventID}, nil
	})
}

// once sends the event that build returns, unless this transaction was answered before. As in Synapse the cache in
// memory knows the path and the requester's token, not the user; with a device the answer is kept for good as well.
func (s *Server) once(c *call, build func(*room) (*pdu, error)) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	cached := c.who.key() + " " + c.URL.EscapedPath()
	if answer, known := s.txns[cached]; known {
		return answer, nil
	}
	durable := ""
	if c.who.device != "" {
		durable = strings.Join([]string{string(r.id), string(c.who.user), c.who.device, c.PathValue("txn")}, " ")
		if eventID, known := s.data.sendTxns[durable]; known {
			return object{"event_id": eventID}, nil
		}
	}
	if err = checkTimestamp(c); err != nil {
		return nil, err
	}
	ev, err := build(r)
	if err != nil {
		return nil, err
	}
	if err = s.authorize(r, c.who.user, ev.Type, nil, ev.Content); err != nil {
		return nil, err
	}
	s.append(r, ev, c.timestamp())
	answer := object{"event_id": ev.EventID}
	s.txns[cached] = answer
	if durable != "" {
		s.commit(&addSendTxn{durable, ev.EventID})
	}
	return answer, nil
}

// ForgetSends forgets all transaction ids, as Synapse does with those that are a day old.
func (s *Server) ForgetSends() {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.flush()
	clear(s.txns)
	s.commit(&dropSendTxns{})
}

func (s *Server) putTyping(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	var req struct {
		Typing  bool
		Timeout int64
	}
	if err = c.decode(&req); err != nil {
		return nil, err
	}
	key := string(r.id) + " " + string(c.who.user)
	delete(s.typingEnds, key)
	s.setTyping(r, c.who.user, req.Typing)
	if !req.Typing {
		return object{}, nil
	}
	timeout := time.Duration(req.Timeout) * time.Millisecond
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	life, ends := s.life, new(int)
	s.typingEnds[key] = ends // a later request puts its own in place
	time.AfterFunc(timeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		defer s.flush()
		if life.Err() == nil && s.typingEnds[key] == ends {
			s.setTyping(r, c.who.user, false)
		}
	})
	return object{}, nil
}

// setTyping changes who types in a room and tells when that is a change.
func (s *Server) setTyping(r *room, who id.UserID, typing bool) {
	users := []string{}
	was := false
	for _, u := range s.typing[string(r.id)] {
		if u == string(who) {
			was = true
		} else {
			users = append(users, u)
		}
	}
	if typing {
		users = append(users, string(who))
	}
	s.typing[string(r.id)] = users
	if was == typing {
		return
	}
	s.commit(&tick{})
	r.typePos = s.data.pos
	s.publishEphemeral(r, object{"type": "m.typing", "room_id": r.id, "content": object{"user_ids": users}})
	s.notify()
}

func (s *Server) postReceipt(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	var req struct {
		Thread string `json:"thread_id"`
	}
	if err = c.decode(&req); err != nil {
		return nil, err
	}
	return object{}, s.setReceipt(r, c, c.PathValue("kind"), id.EventID(c.PathValue("event")), req.Thread)
}

func (s *Server) postReadMarkers(c *call) (any, error) {
	r, err := s.joinedRoom(c)
	if err != nil {
		return nil, err
	}
	var req map[string]any
	if err = c.decode(&req); err != nil {
		return nil, err
	}
	for _, kind := range []string{"m.read", "m.read.private", "m.fully_read"} {
		if target, given := req[kind].(string); given {
			if err = s.setReceipt(r, c, kind, id.EventID(target), ""); err != nil {
				return nil, err
			}
		}
	}
	return object{}, nil
}

func (s *Server) setReceipt(r *room, c *call, kind string, target id.EventID, thread string) error {
	now := time.Now().UnixMilli()
	switch kind {
	case "m.fully_read":
		s.commit(&setAccountData{c.who.user, string(r.id), kind, []byte(`{"event_id":"` + string(target) + `"}`)})
		return nil
	case "m.read", "m.read.private":
	default:
		return mautrix.MInvalidParam.WithMessage("Receipt type must be known")
	}
	ev := r.byID[target]
	if ev == nil {
		return nil
	}
	if old, known := r.receipts[c.who.user]; known && old.kind == kind && r.byID[old.event].pos >= ev.pos {
		return nil // receipts never go back
	}
	s.commit(&setReceipt{r.id, c.who.user, target, kind, thread, now})
	if kind == "m.read" {
		s.publishEphemeral(r, receiptContent(r, c.who.user, object{"room_id": r.id}))
	}
	s.notify()
	return nil
}

// receiptContent adds a user's receipt, in its m.receipt form, to the fields of an event.
func receiptContent(r *room, who id.UserID, fields object) object {
	mark := r.receipts[who]
	data := object{"ts": mark.ts}
	if mark.thread != "" {
		data["thread_id"] = mark.thread
	}
	fields["type"] = "m.receipt"
	fields["content"] = object{string(mark.event): object{mark.kind: object{string(who): data}}}
	return fields
}

func (s *Server) putPresence(c *call) (any, error) {
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	for _, r := range s.data.rooms {
		if r.membership(c.who.user) == "join" {
			s.publishEphemeral(r, object{"type": "m.presence", "sender": c.who.user, "content": content})
			break
		}
	}
	return object{}, nil
}
