package hangouts

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// observerError is an error of an observer of OnEvent: it ends Run, whatever it is.
type observerError struct{ err error }

func (e *observerError) Error() string { return e.err.Error() }

// plain takes the mark of an observer's error off.
func plain(err error) error {
	var failed *observerError
	if errors.As(err, &failed) {
		return failed.err
	}
	return err
}

// batch applies a batch of pushed updates.
func (r *Roster) batch(ctx context.Context, updates []*pb.StateUpdate) error {
	for _, u := range updates {
		if err := r.update(ctx, u); err != nil {
			return plain(err)
		}
	}
	return nil
}

// update applies one state update (protocol §12.2): first the conversation, then the notification.
func (r *Roster) update(ctx context.Context, u *pb.StateUpdate) error {
	if err := r.merge(ctx, u.GetConversation()); err != nil {
		return err
	}
	if err := r.merge(ctx, u.GetConversationNotification().GetConversation()); err != nil {
		return err
	}
	switch n := u.GetStateUpdate().(type) {
	case *pb.StateUpdate_EventNotification:
		return r.event(ctx, n.EventNotification.GetEvent())
	case *pb.StateUpdate_WatermarkNotification:
		w := n.WatermarkNotification
		r.read(w.GetConversationId(), w.GetSenderId(), w.GetLatestReadTimestamp())
	case *pb.StateUpdate_NotificationLevelNotification:
		r.apply(&pb.Conversation{ConversationId: n.NotificationLevelNotification.ConversationId,
			SelfConversationState: &pb.UserConversationState{NotificationLevel: n.NotificationLevelNotification.Level}})
	case *pb.StateUpdate_ViewModification:
		if view := n.ViewModification.NewView; view != nil {
			r.apply(&pb.Conversation{ConversationId: n.ViewModification.ConversationId,
				SelfConversationState: &pb.UserConversationState{View: []pb.ConversationView{*view}}})
		}
	case *pb.StateUpdate_DeleteNotification:
		if n.DeleteNotification.GetDeleteAction().GetDeleteType() == pb.DeleteType_DELETE_TYPE_UPPER_BOUND {
			r.forget(n.DeleteNotification.GetConversationId().GetId())
		}
	}
	return nil
}

// merge applies a change. It fetches an unknown conversation instead, since a change can be incomplete.
func (r *Roster) merge(ctx context.Context, delta *pb.Conversation) error {
	id := delta.GetConversationId().GetId()
	if id == "" {
		return nil
	}
	r.mu.Lock()
	_, known := r.conversations[id]
	r.mu.Unlock()
	if !known {
		return r.fetch(ctx, id, delta)
	}
	r.apply(delta)
	return nil
}

// fetch loads a conversation. When that fails it applies the fallback; without one the known state stays, unless the
// account is no longer a member.
func (r *Roster) fetch(ctx context.Context, id string, fallback *pb.Conversation) error {
	var conversation *pb.Conversation
	err := r.retry(ctx, func(ctx context.Context) (err error) {
		conversation, err = r.client.conversation(ctx, id)
		return err
	})
	if ctx.Err() != nil || errors.Is(err, ErrUnauthorized) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.wholeLocked(conversation)
	case fallback != nil:
		r.mergeLocked(fallback)
	case errors.Is(err, ErrInvalidConversation):
		delete(r.conversations, id)
	}
	return nil
}

// apply changes a conversation that is known.
func (r *Roster) apply(delta *pb.Conversation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.conversations[delta.GetConversationId().GetId()]; known {
		r.mergeLocked(delta)
	}
}

func (r *Roster) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conversations, id)
}

// read moves a watermark; that of the account is its read time too (protocol §9.3).
func (r *Roster) read(id *pb.ConversationId, person *pb.ParticipantId, us uint64) {
	state := &pb.UserReadState{ParticipantId: person, LatestReadTimestamp: proto.Uint64(us)}
	delta := &pb.Conversation{ConversationId: id, ReadState: []*pb.UserReadState{state}}
	if person.GetGaiaId() == r.Self().GaiaID {
		delta.SelfConversationState = &pb.UserConversationState{SelfReadState: state}
	}
	r.apply(delta)
}

// event delivers an event that was not delivered before, once its conversation is up to date.
func (r *Roster) event(ctx context.Context, e *pb.Event) error {
	id := e.GetConversationId().GetId()
	r.mu.Lock()
	_, known := r.conversations[id]
	fresh := e.GetTimestamp() > r.start && !r.seen.has(e.GetEventId())
	r.mu.Unlock()
	if !fresh {
		return nil
	}
	var err error
	switch {
	case !known, KindOf(e) == MembershipChangeEvent: // a change may not list the members
		err = r.fetch(ctx, id, nil)
	case KindOf(e) == RenameEvent:
		r.apply(&pb.Conversation{ConversationId: e.ConversationId, Name: proto.String(e.GetConversationRename().GetNewName())})
	}
	if err != nil {
		return err
	}
	if err := r.OnEvent.Fire(ctx, e); err != nil {
		return &observerError{err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.add(e.GetEventId())
	r.newest = max(r.newest, e.GetTimestamp())
	return nil
}

// catchUp delivers missed events, oldest first (protocol §12.3).
func (r *Roster) catchUp(ctx context.Context) error {
	return plain(r.persist(ctx, func(ctx context.Context) error {
		from := r.SyncedTo()
		synced, err := r.client.CatchUp(ctx, max(from, overlap)-overlap, func(states []*pb.ConversationState) error {
			return r.take(ctx, states)
		})
		if errors.Is(err, ErrResync) {
			var states []*pb.ConversationState
			if states, err = r.load(ctx, resyncEvents); err == nil {
				err = r.take(ctx, states)
			}
		}
		if errors.Is(err, ErrNoProgress) {
			r.client.cfg.Logger.WarnContext(ctx, "Events may be missing", "error", err)
			return nil
		}
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.newest = max(r.newest, synced)
		return nil
	}))
}

// take delivers the events of conversations, ordered by time.
func (r *Roster) take(ctx context.Context, states []*pb.ConversationState) error {
	var events []*pb.Event
	for _, state := range states {
		if err := r.merge(ctx, state.GetConversation()); err != nil {
			return err
		}
		events = append(events, state.GetEvent()...)
	}
	slices.SortStableFunc(events, func(a, b *pb.Event) int { return cmp.Compare(a.GetTimestamp(), b.GetTimestamp()) })
	for _, e := range events {
		if err := r.event(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
