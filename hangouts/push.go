package hangouts

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
)

// push is the side of a Client that the push channel talks to.
type push Client

var _ channel.Handler = (*push)(nil)

func (p *push) Connected(ctx context.Context, reconnected bool) error {
	if reconnected {
		return p.OnReconnect.Fire(ctx, Connected{})
	}
	return p.OnConnect.Fire(ctx, Connected{})
}

func (p *push) Disconnected(ctx context.Context, reason error) error {
	err := channelError(reason)
	if _, ok := err.(*NetworkError); !ok {
		err = &NetworkError{Op: "push channel", Err: err}
	}
	return p.OnDisconnect.Fire(ctx, Disconnected{Err: err})
}

func (p *push) ClientID(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clientID = id
	return nil
}

func (p *push) Subscribed(ctx context.Context) error { return p.OnSubscribed.Fire(ctx, Subscribed{}) }

func (p *push) Gap(ctx context.Context) error { return p.OnGap.Fire(ctx, Gap{}) }

// batchTag names a client batch update; other payloads are not for chat.
const batchTag = "cbu"

func (p *push) Payload(ctx context.Context, payload channel.Payload) error {
	text := []byte(payload.Text)
	tag, tagged := pblite.Tag(text)
	if !tagged && !saysNothing(text) {
		p.cfg.Logger.WarnContext(ctx, "Skipping a push that is not understood", "service", payload.Service)
		return p.OnGap.Fire(ctx, Gap{})
	}
	if tag != batchTag {
		p.cfg.Logger.DebugContext(ctx, "Ignoring a push that is not for chat", "service", payload.Service, "tag", word(tag))
		return nil
	}
	batch, lost := p.decodeBatch(ctx, text)
	for _, update := range batch {
		p.kinds.note(update.GetConversation())
		p.kinds.note(update.GetConversationNotification().GetConversation())
	}
	if len(batch) > 0 {
		if err := p.OnBatch.Fire(ctx, batch); err != nil {
			return err
		}
	}
	for _, update := range batch {
		p.mu.Lock()
		p.active.state = update.GetStateUpdateHeader().GetActiveClientState()
		p.mu.Unlock()
		if err := p.OnStateUpdate.Fire(ctx, update); err != nil {
			return err
		}
	}
	if lost {
		return p.OnGap.Fire(ctx, Gap{})
	}
	return nil
}

// saysNothing tells the payloads without tag that are known to mean nothing.
func saysNothing(text []byte) bool {
	trimmed := string(bytes.TrimSpace(text))
	return trimmed == "" || trimmed == "null" || trimmed == "[]"
}

// decodeBatch decodes the state updates of a payload one by one. One that is malformed is
// logged with its type and left out; lost says that this happened.
func (p *push) decodeBatch(ctx context.Context, text []byte) (batch []*pb.StateUpdate, lost bool) {
	elements, err := pblite.Elements(text)
	var updates [][]byte
	if err == nil && len(elements) > 1 {
		updates, err = pblite.Elements(elements[1])
	}
	if err != nil || len(elements) > 2 {
		return p.decodeWhole(ctx, text)
	}
	for _, one := range updates {
		update, warnings, err := decodeUpdate(one)
		kind := updateKind(update)
		switch {
		case err != nil:
			p.cfg.Logger.WarnContext(ctx, "Skipping a malformed state update", "error", err, "update", kind)
			lost = true
			continue
		case warnings.Count > 0:
			p.cfg.Logger.DebugContext(ctx, "State update with odd values", "warnings", warnings.String(), "update", kind)
		}
		batch = append(batch, update)
	}
	return batch, lost
}

// decodeWhole is for a batch that is not written in the usual way, as with a trailing object.
func (p *push) decodeWhole(ctx context.Context, text []byte) (batch []*pb.StateUpdate, lost bool) {
	var whole pb.BatchUpdate
	warnings, err := pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(text, &whole)
	if err != nil || warnings.Count > 0 {
		p.cfg.Logger.WarnContext(ctx, "Malformed batch of state updates", "error", err, "warnings", warnings.String())
		lost = true
	}
	for _, update := range whole.GetStateUpdate() {
		if err := checkUpdate(update); err != nil {
			p.cfg.Logger.WarnContext(ctx, "Skipping a malformed state update", "error", err, "update", updateKind(update))
			lost = true
			continue
		}
		batch = append(batch, update)
	}
	return batch, lost
}

// decodeUpdate decodes one state update. A panic in the decoder counts as malformed data, so
// that it cannot end the connection of everybody.
func decodeUpdate(text []byte) (update *pb.StateUpdate, warnings pblite.Warnings, err error) {
	update = &pb.StateUpdate{}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: panic: %v\n%s", ErrResponse, r, debug.Stack())
		}
	}()
	warnings, err = pblite.Unmarshal(text, update)
	if err == nil {
		err = checkUpdate(update)
	}
	return update, warnings, err
}

// checkUpdate refuses an update that says nothing, or whose notification lacks what nobody can
// do without.
func checkUpdate(u *pb.StateUpdate) error {
	if proto.Size(u) == 0 {
		return fmt.Errorf("%w: empty", ErrResponse)
	}
	var id *pb.ConversationId
	switch n := u.GetStateUpdate().(type) {
	case *pb.StateUpdate_EventNotification:
		event := n.EventNotification.GetEvent()
		if event.GetEventId() == "" || event.GetTimestamp() == 0 {
			return fmt.Errorf("%w: event without id or time", ErrResponse)
		}
		id = event.GetConversationId()
	case *pb.StateUpdate_TypingNotification:
		id = n.TypingNotification.GetConversationId()
	case *pb.StateUpdate_WatermarkNotification:
		id = n.WatermarkNotification.GetConversationId()
	default:
		return nil
	}
	if id.GetId() == "" {
		return fmt.Errorf("%w: no conversation", ErrResponse)
	}
	return nil
}

// updateKind names the notification of an update for the log.
func updateKind(u *pb.StateUpdate) string {
	if u == nil {
		return "none"
	}
	var set protoreflect.FieldDescriptor
	if oneof := u.ProtoReflect().Descriptor().Oneofs().ByName("state_update"); oneof != nil {
		set = u.ProtoReflect().WhichOneof(oneof)
	}
	if set == nil {
		return "none"
	}
	return string(set.Name())
}

// word lets a code of the server into logs and errors, such as "invalid_grant" or "cbu"; what
// does not look like one may be anything, a secret or a message.
func word(s string) string {
	if len(s) > 32 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "(odd)"
	}
	return s
}
