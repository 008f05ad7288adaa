package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// hand is how a source writes.
type hand interface {
	say(w *world, conversation, text string) (Message, error)
}

// more is what a source can do beside writing. What has no answer is repeated only if it has not happened.
type more interface {
	show(w *world, a act, data []byte) error
	rename(w *world, conversation, name string) error
	move(w *world, conversation string, src source, in bool) error
}

// matrixHand is somebody in Matrix.
type matrixHand struct {
	as func(*world) *mxclient.Client
}

// say writes with one transaction id until that is accepted.
func (h matrixHand) say(w *world, conversation, text string) (Message, error) {
	_, err := h.as(w).SendTextRetry(w.ctx, w.rooms[conversation], text, "txn "+text)
	return Message{Text: text}, err
}

func (h matrixHand) show(w *world, a act, data []byte) error {
	name := "picture.png"
	at, err := h.as(w).UploadRetry(w.ctx, data, "image/png", name)
	if err != nil {
		return err
	}
	content := &event.MessageEventContent{MsgType: event.MsgImage, Body: name, URL: at.CUString(), Info: &event.FileInfo{MimeType: "image/png", Size: len(data)}}
	if a.captioned {
		content.FileName, content.Body = name, a.text
	}
	_, err = h.as(w).SendRetry(w.ctx, w.rooms[a.conversation], content, "txn "+a.picture())
	return err
}

func (h matrixHand) rename(w *world, conversation, name string) error {
	user, room := h.as(w), w.rooms[conversation]
	return w.once(name, func(ctx context.Context) error {
		_, err := user.Matrix.SendStateEvent(ctx, room, event.StateRoomName, "", &event.RoomNameEventContent{Name: name})
		return err
	}, func(ctx context.Context) (bool, error) {
		page, err := user.Matrix.Messages(ctx, room, "", "", mautrix.DirectionBackward, nil, 100)
		return err == nil && slices.ContainsFunc(page.Chunk, func(e *event.Event) bool {
			return e.Type.Type == event.StateRoomName.Type && e.Sender == user.UserID() && e.Content.Raw["name"] == name
		}), err
	})
}

func (h matrixHand) move(w *world, conversation string, src source, in bool) error {
	user, room, ghost := h.as(w), w.rooms[conversation], w.ghost(src.moves)
	return w.once(moved(src, in), func(ctx context.Context) (err error) {
		if in {
			_, err = user.Matrix.InviteUser(ctx, room, &mautrix.ReqInviteUser{UserID: ghost})
		} else {
			_, err = user.Matrix.KickUser(ctx, room, &mautrix.ReqKickUser{UserID: ghost})
		}
		return err
	}, func(ctx context.Context) (bool, error) {
		page, err := user.Matrix.Messages(ctx, room, "", "", mautrix.DirectionBackward, nil, 200)
		if err != nil {
			return false, err
		}
		own := slices.IndexFunc(page.Chunk, func(e *event.Event) bool {
			return e.Type.Type == event.StateMember.Type && e.Sender == user.UserID() && e.GetStateKey() == ghost.String() && e.Content.Raw[doublePuppet] == nil
		})
		return own >= 0 && (page.Chunk[own].Content.Raw["membership"] == "invite") == in, nil
	})
}

// once does something that the homeserver may accept without an answer. What it refuses is tried again later: people who
// come and go are in the room, or out of it, only when the bridge has seen to that.
func (w *world) once(what string, do func(context.Context) error, there func(context.Context) (bool, error)) error {
	limited := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(context.WithValue(w.ctx, mautrix.MaxAttemptsContextKey, 1), 10*time.Second)
		defer cancel()
		return f(ctx)
	}
	for {
		err := limited(do)
		if err == nil {
			return nil
		}
		w.note("%q: %v", what, err)
		for done := false; w.ctx.Err() == nil; {
			time.Sleep(100 * time.Millisecond)
			if mxclient.Refused(err) {
				break
			}
			failed := limited(func(ctx context.Context) (err error) {
				done, err = there(ctx)
				return err
			})
			if done {
				return nil
			} else if failed == nil {
				break
			}
		}
		if w.ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// controlHand is somebody on Hangouts, by the server's control interface.
type controlHand struct{ person string }

func (h controlHand) control(w *world, verb, conversation string, params map[string]any) error {
	params["as"], params["conversation"] = h.person, conversation
	return w.hangouts.Control(w.ctx, verb, params, nil)
}

func (h controlHand) say(w *world, conversation, text string) (Message, error) {
	return Message{Text: text}, w.onceOnHangouts(conversation, text, func() error {
		return h.control(w, "send", conversation, map[string]any{"text": text})
	})
}

func (h controlHand) show(w *world, a act, data []byte) error {
	text := ""
	if a.captioned {
		text = a.text
	}
	return w.onceOnHangouts(a.conversation, captioned(a.picture(), text), func() error {
		return h.control(w, "photo", a.conversation, map[string]any{"text": text, "name": "picture.png", "data": data})
	})
}

func (h controlHand) rename(w *world, conversation, name string) error {
	return w.onceOnHangouts(conversation, name, func() error {
		return h.control(w, "rename", conversation, map[string]any{"name": name})
	})
}

func (h controlHand) move(w *world, conversation string, src source, in bool) error {
	verb := map[bool]string{true: "add", false: "remove"}[in]
	return w.onceOnHangouts(conversation, moved(src, in), func() error {
		return h.control(w, verb, conversation, map[string]any{"people": []string{src.moves}})
	})
}

// onceOnHangouts does something that the Hangouts server may accept without an answer. Of somebody who comes and goes the
// last time counts.
func (w *world) onceOnHangouts(conversation, what string, do func() error) error {
	for {
		err := do()
		if err == nil {
			return nil
		}
		w.note("%q: %v", what, err)
		for w.ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			events, eventsErr := w.onHangouts(conversation)
			if eventsErr != nil {
				continue
			}
			last := ""
			for _, e := range events {
				if e.Text == what || e.moves != "" && e.moves == movesOf(what) {
					last = e.Text
				}
			}
			if last == what {
				return nil
			}
			break
		}
		if w.ctx.Err() != nil {
			return fmt.Errorf("%q: %w", what, err)
		}
	}
}

// hangupsHand is Bob with the reference client. What that cannot do he does elsewhere.
type hangupsHand struct{ controlHand }

func (h hangupsHand) say(w *world, conversation, text string) (Message, error) {
	return Message{Text: text}, w.onceOnHangouts(conversation, text, func() error {
		_, err := w.bob.Send(w.ctx, w.ids[conversation], text)
		return err
	})
}

func (h hangupsHand) show(w *world, a act, data []byte) error {
	text := ""
	if a.captioned {
		text = a.text
	}
	return w.onceOnHangouts(a.conversation, captioned(a.picture(), text), func() error {
		_, err := w.bob.SendImage(w.ctx, w.ids[a.conversation], text, "picture.png", data)
		return err
	})
}

// ircHand is Alice on IRC.
type ircHand struct{}

// say does not repeat what is not confirmed: IRC has no transaction ids.
func (ircHand) say(w *world, conversation, text string) (Message, error) {
	target := ""
	for _, c := range conversations {
		if c.key == conversation {
			target = c.irc
		}
	}
	for began := time.Now(); ; {
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		err := w.irc.Say(ctx, target, text)
		cancel()
		switch {
		case err == nil:
			return Message{Text: text}, nil
		case errors.Is(err, stage.ErrUnconfirmed):
			return Message{Text: text, Optional: true}, nil
		case w.ctx.Err() != nil, errors.Is(err, stage.ErrRefused) && time.Since(began) > time.Minute:
			return Message{}, fmt.Errorf("write %q: %w", text, err)
		}
		w.note("irc: %q: %v", text, err)
		time.Sleep(200 * time.Millisecond)
	}
}

// ghost is who shows a person, by key, in Matrix.
func (w *world) ghost(person string) id.UserID {
	return id.NewUserID("hangouts_"+w.gaia[person], stage.Domain)
}
