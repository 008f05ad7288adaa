package hangoutstest

import (
	"strings"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// pushKind names a kind of state update, as faults select it: "push/event", "push/typing" ...
type pushKind string

const (
	pushEvent        pushKind = "push/event"
	pushTyping       pushKind = "push/typing"
	pushFocus        pushKind = "push/focus"
	pushWatermark    pushKind = "push/watermark"
	pushLevel        pushKind = "push/level"
	pushView         pushKind = "push/view"
	pushEasterEgg    pushKind = "push/easteregg"
	pushDelete       pushKind = "push/delete"
	pushSelfPresence pushKind = "push/selfpresence"
	pushPresence     pushKind = "push/presence"
	pushConversation pushKind = "push/conversation"
	pushInvite       pushKind = "push/invite"
	pushCustom       pushKind = "push/custom"
)

// pushLocked sends a state update to every subscribed client of a person but the one
// named in except. The update's header is written per client.
func (s *Server) pushLocked(gaia string, kind pushKind, update *pb.StateUpdate, except string) {
	var targets []*session
	for _, ss := range s.subscribedLocked(gaia) {
		if except != "" && ss.clientID == except {
			continue
		}
		if kind == pushPresence && !ss.services[servicePresence] {
			continue
		}
		targets = append(targets, ss)
	}
	if len(targets) == 0 {
		return
	}
	f := s.faults.take(stagePush, gaia, string(kind))
	for _, ss := range targets {
		s.sendUpdateLocked(ss, kind, update, f)
	}
}

// pushToLocked sends a state update to one client.
func (s *Server) pushToLocked(ss *session, kind pushKind, update *pb.StateUpdate) {
	s.sendUpdateLocked(ss, kind, update, s.faults.take(stagePush, ss.gaia, string(kind)))
}

func (s *Server) sendUpdateLocked(ss *session, kind pushKind, update *pb.StateUpdate, f *Fault) {
	now := s.nowLocked()
	update.StateUpdateHeader = &pb.StateUpdateHeader{
		ActiveClientState:    s.activeStateLocked(ss).Enum(),
		RequestTraceId:       proto.String(s.gen.traceID()),
		NotificationSettings: s.notificationSettings(ss.gaia, now),
		CurrentServerTime:    proto.Uint64(now),
	}
	text, err := pblite.Marshal(ss.pictures.completeUpdate(update))
	if err != nil {
		s.log.Error("Failed to encode a state update", "error", err, "kind", kind)
		return
	}
	s.stats.Pushes++
	s.deliverLocked(ss, string(text), f)
}

func (s *Server) notificationSettings(gaia string, now uint64) *pb.NotificationSettings {
	p := s.world.people[gaia]
	if p == nil || p.DoNotDisturbUS <= now {
		return nil
	}
	return &pb.NotificationSettings{DndSettings: &pb.DoNotDisturbSetting{
		DoNotDisturb: proto.Bool(true), ExpirationTimestamp: proto.Uint64(p.DoNotDisturbUS), Version: proto.Uint64(p.DoNotDisturbUS),
	}}
}

// deliverLocked puts one state update on a session, as a push fault wants it.
func (s *Server) deliverLocked(ss *session, update string, f *Fault) {
	if f == nil {
		s.wrapLocked(ss, babelMember(batch(append(ss.held, update)...)))
		ss.held = nil
		return
	}
	switch f.Kind {
	case FaultLose:
	case FaultHold:
		ss.held = append(ss.held, update)
	case FaultDuplicate:
		s.wrapLocked(ss, babelMember(batch(update)))
		s.wrapLocked(ss, babelMember(batch(update)))
	case FaultMalformed:
		s.wrapLocked(ss, babelMember(batch(f.malformed(), update)))
	case FaultGarbage:
		s.wrapLocked(ss, babelMember(f.malformed()))
	case FaultUnknownTag:
		s.wrapLocked(ss, babelMember(`["xyz",[[1,2,3]]]`))
		s.wrapLocked(ss, babelMember(batch(update)))
	case FaultNullPayload:
		s.wrapLocked(ss, babelMember(`null`))
		s.wrapLocked(ss, babelMember(batch(update)))
	case FaultBothKeys:
		s.wrapLocked(ss, clientIDMember(ss.clientID)+","+babelMember(batch(update)))
	case FaultRepeatArray:
		s.wrapLocked(ss, babelMember(batch(update)))
		if n := len(ss.queue); n > 0 {
			ss.queue[n-1].twice = true
		}
	case FaultReorder:
		ss.wrappers++
		ss.late = wrap(ss.wrappers, uint64(s.clock().Add(s.clockOffset).UnixMilli()), babelMember(batch(update)))
	case FaultDelay:
		s.after(f.Delay.Duration(), func() { s.wrapLocked(ss, babelMember(batch(update))) })
	default:
		s.wrapLocked(ss, babelMember(batch(update)))
	}
}

// batch is a pblite BatchUpdate with its tag (protocol §5.9).
func batch(updates ...string) string { return `["cbu",[` + strings.Join(updates, ",") + `]]` }

// pushConversationEventLocked tells every member of an event, each with the conversation
// as that member sees it. also names people who are no members any more.
func (s *Server) pushConversationEventLocked(c *conversation, e *event, also ...string) {
	for _, m := range c.Members {
		if !m.present() && !contains(also, m.GaiaID) {
			continue
		}
		if len(s.subscribedLocked(m.GaiaID)) == 0 {
			continue
		}
		s.pushLocked(m.GaiaID, pushEvent, &pb.StateUpdate{
			StateUpdate:  &pb.StateUpdate_EventNotification{EventNotification: &pb.EventNotification{Event: s.renderEvent(c, e, m)}},
			Conversation: s.delta(c, m),
		}, "")
	}
}

// pushConversationLocked tells one person of a conversation without any notification.
func (s *Server) pushConversationLocked(c *conversation, gaia string) {
	m := c.anyMember(gaia)
	if m == nil {
		return
	}
	s.pushLocked(gaia, pushConversation, &pb.StateUpdate{
		StateUpdate: &pb.StateUpdate_ConversationNotification{
			ConversationNotification: &pb.ConversationNotification{Conversation: s.renderConversation(c, m, readNone)}},
		Conversation: s.renderConversation(c, m, readNone),
	}, "")
}

// delta is the conversation in a state update: nearly complete as in practice, or only the
// id and the personal state (protocol §12.1).
func (s *Server) delta(c *conversation, m *member) *pb.Conversation {
	full := s.renderConversation(c, m, readNone)
	if !s.settings.MinimalDeltas {
		return full
	}
	self := full.SelfConversationState
	return &pb.Conversation{
		ConversationId: full.ConversationId,
		SelfConversationState: &pb.UserConversationState{
			SelfReadState: self.SelfReadState, Status: self.Status, NotificationLevel: self.NotificationLevel,
			View: self.View, SortTimestamp: self.SortTimestamp,
		},
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
