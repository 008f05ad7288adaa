package hangoutstest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// call is one request of the chat API. Handlers run with Server.mu held.
type call struct {
	s        *Server
	person   *person
	clientID string // of the client that asks; "" before it has one
	known    bool   // the client_id is a recognised one (protocol §8.1)
	pictures pictures
	faults   []*Fault
}

// endpoint is one row of the table of §16.
type endpoint struct {
	tag         string // type tag of a pblite answer (protocol §6.1)
	newRequest  func() proto.Message
	newResponse func() proto.Message
	handle      func(*call, proto.Message) (proto.Message, error)
}

// on makes a table row of a typed handler.
func on[Q, R any, PQ interface {
	*Q
	proto.Message
}, PR interface {
	*R
	proto.Message
}](tag string, handle func(*call, PQ) (PR, error)) endpoint {
	return endpoint{
		tag:         tag,
		newRequest:  func() proto.Message { return PQ(new(Q)) },
		newResponse: func() proto.Message { return PR(new(R)) },
		handle: func(c *call, m proto.Message) (proto.Message, error) {
			return handle(c, m.(PQ))
		},
	}
}

// endpoints is the chat API (protocol §8, §16).
var endpoints = map[string]endpoint{
	"clients/setactiveclient":                        on("csacrp", (*call).setActiveClient),
	"contacts/getselfinfo":                           on("cgsirp", (*call).getSelfInfo),
	"contacts/getentitybyid":                         on("cgebirp", (*call).getEntityByID),
	"contacts/getsuggestedentities":                  on("cgserp", (*call).getSuggestedEntities),
	"contacts/searchentities":                        on("cserp", (*call).searchEntities),
	"presence/querypresence":                         on("cqprp", (*call).queryPresence),
	"presence/setpresence":                           on("csprp", (*call).setPresence),
	"devices/sendoffnetworkinvitation":               on("csoirp", (*call).sendOffnetworkInvitation),
	"conversations/adduser":                          on("caurp", (*call).addUser),
	"conversations/createconversation":               on("cccrp", (*call).createConversation),
	"conversations/deleteconversation":               on("cdcrp", (*call).deleteConversation),
	"conversations/easteregg":                        on("ceerp", (*call).easterEgg),
	"conversations/getconversation":                  on("cgcrp", (*call).getConversation),
	"conversations/getgroupconversationurl":          on("cggcurp", (*call).getGroupConversationURL),
	"conversations/markeventobserved":                on("cmeorp", (*call).markEventObserved),
	"conversations/modifyconversationview":           on("cmcvrp", (*call).modifyConversationView),
	"conversations/modifyotrstatus":                  on("cmosrp", (*call).modifyOTRStatus),
	"conversations/opengroupconversationfromurl":     on("", (*call).openGroupConversationFromURL),
	"conversations/removeuser":                       on("crurp", (*call).removeUser),
	"conversations/renameconversation":               on("crcrp", (*call).renameConversation),
	"conversations/replytoinvite":                    on("crtirp", (*call).replyToInvite),
	"conversations/sendchatmessage":                  on("cscmrp", (*call).sendChatMessage),
	"conversations/setconversationnotificationlevel": on("cscnlrp", (*call).setNotificationLevel),
	"conversations/setfocus":                         on("csfrp", (*call).setFocus),
	"conversations/setgrouplinksharingenabled":       on("csglserp", (*call).setGroupLinkSharing),
	"conversations/settyping":                        on("cstrp", (*call).setTyping),
	"conversations/syncallnewevents":                 on("csanerp", (*call).syncAllNewEvents),
	"conversations/syncrecentconversations":          on("csrcrp", (*call).syncRecentConversations),
	"conversations/updatewatermark":                  on("cuwrp", (*call).updateWatermark),
}

// serveAPI answers POST /chat/v1/{endpoint} (protocol §8.1).
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/chat/v1/")
	ep, ok := endpoints[name]
	if !ok || r.Method != http.MethodPost {
		s.note(r, name, "", nil, http.StatusNotFound)
		httpError(w, http.StatusNotFound)
		return
	}
	p := s.authenticate(r)
	if p == nil {
		s.note(r, name, "", nil, http.StatusUnauthorized)
		httpError(w, http.StatusUnauthorized)
		return
	}
	faults := s.faults.takeAll(stageRequest, p.GaiaID, name)
	if s.refuse(w, r, name, p.GaiaID, faults) {
		return
	}
	if r.URL.Query().Get("key") == "" {
		s.note(r, name, p.GaiaID, nil, http.StatusForbidden)
		httpError(w, http.StatusForbidden)
		return
	}
	req := ep.newRequest()
	if err := decodeRequest(w, r, req); err != nil {
		s.note(r, name, p.GaiaID, nil, http.StatusBadRequest)
		httpError(w, http.StatusBadRequest)
		return
	}
	s.note(r, name, p.GaiaID, req, http.StatusOK)
	resp := s.run(ep, p, req, s.picturesFor(r), faults)
	s.writeResponse(w, r, ep, resp, faults)
}

// run handles a decoded request under the lock; the answer always has a header.
func (s *Server) run(ep endpoint, p *person, req proto.Message, at pictures, faults []*Fault) proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	header, _ := field(req, "request_header").(*pb.RequestHeader)
	c := &call{
		s: s, person: s.world.people[p.GaiaID], faults: faults, pictures: at,
		clientID: header.GetClientIdentifier().GetResource(),
		known:    header.GetClientVersion().GetClientId() != pb.ClientId_CLIENT_ID_UNKNOWN,
	}
	var resp proto.Message
	var err error
	if f := pick(faults, FaultResponse); f != nil {
		err = &apiError{pb.ResponseStatus(f.Status), f.Description}
	} else {
		resp, err = ep.handle(c, req)
	}
	rh := &pb.ResponseHeader{
		Status: pb.ResponseStatus_RESPONSE_STATUS_OK.Enum(), DebugUrl: proto.String(""),
		RequestTraceId: proto.String(s.gen.traceID()), CurrentServerTime: proto.Uint64(s.nowLocked()),
	}
	if err != nil {
		var ae *apiError
		if !errors.As(err, &ae) {
			s.log.Error("Failed to handle a request", "error", err)
			ae = errUnexpected
		}
		resp = ep.newResponse()
		rh.Status = ae.status.Enum()
		if ae.description != "" {
			rh.ErrorDescription = proto.String(ae.description)
		}
	}
	if pick(faults, FaultNoHeader) == nil {
		resp.ProtoReflect().Set(resp.ProtoReflect().Descriptor().Fields().ByName("response_header"),
			protoreflect.ValueOfMessage(rh.ProtoReflect()))
	}
	return resp
}

// field reads a message field by name, or nil.
func field(m proto.Message, name protoreflect.Name) proto.Message {
	fd := m.ProtoReflect().Descriptor().Fields().ByName(name)
	if fd == nil || !m.ProtoReflect().Has(fd) {
		return nil
	}
	return m.ProtoReflect().Get(fd).Message().Interface()
}

// decodeRequest reads a protobuf, pblite or named JSON body (protocol §8.1, §15.1).
func decodeRequest(w http.ResponseWriter, r *http.Request, req proto.Message) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case !strings.Contains(kind, "json"):
		return proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(body, req)
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		return protojson.UnmarshalOptions{AllowPartial: true, DiscardUnknown: true}.Unmarshal(body, req)
	}
	// A request begins [[[client id; one level more was refused (protocol §8.12).
	head := strings.Join(strings.Fields(string(body[:min(len(body), 100)])), "")
	if !strings.HasPrefix(head, "[") || strings.HasPrefix(head, "[[[[") {
		return fmt.Errorf("%w: no pblite request", ErrInvalid)
	}
	_, err = pblite.Unmarshal(body, req)
	return err
}

// writeResponse answers in the format that alt asks for.
func (s *Server) writeResponse(w http.ResponseWriter, r *http.Request, ep endpoint, resp proto.Message, faults []*Fault) {
	var body []byte
	var err error
	switch r.URL.Query().Get("alt") {
	case "protojson":
		w.Header().Set("Content-Type", "application/json+protobuf; charset=UTF-8")
		if body, err = pblite.Marshal(resp); err == nil && ep.tag != "" {
			body = tagged(ep.tag, body)
		}
	case "json":
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		body, err = protojson.MarshalOptions{AllowPartial: true, UseProtoNames: true}.Marshal(resp)
	default:
		body, err = proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(resp)
		w.Header().Set("Content-Type", "application/x-protobuf")
		if strings.EqualFold(r.Header.Get("X-Goog-Encode-Response-If-Executable"), "base64") {
			w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
			w.Header().Set("X-Goog-Safety-Content-Type", "application/x-protobuf")
			w.Header().Set("X-Goog-Safety-Encoding", "base64")
			body = []byte(base64.StdEncoding.EncodeToString(body))
		}
		if pick(faults, FaultBadBase64) != nil {
			body = []byte("====not base64")
		}
	}
	if err != nil {
		s.log.Error("Failed to encode an answer", "error", err)
		httpError(w, http.StatusInternalServerError)
		return
	}
	s.answer(w, r, body, faults)
}

// tagged puts the type tag in front of the elements of a pblite array.
func tagged(tag string, body []byte) []byte {
	rest := body[1:]
	sep := ","
	if len(bytes.TrimSpace(rest)) == 1 {
		sep = ""
	}
	return append([]byte(`["`+tag+`"`+sep), rest...)
}
