package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/networkid"

	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/media"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

const (
	avatarSize = 8 << 20 // bytes
	avatarTime = 20 * time.Second
	// avatarsAtOnce is how many photos are loaded at the same time.
	avatarsAtOnce = 4
	// avatarAgain is when a photo that did not come is asked for again.
	avatarAgain = time.Hour
	// avatarsKept is how many photos are remembered; the media repository knows all of them.
	avatarsKept = 10_000
)

// avatars are the photos of people that are in the media repository, by the handle that the network
// gave. People with the same picture share one upload.
type avatars struct {
	loading chan struct{} // as many photos at once
	putting chan struct{} // one at a time, so that two who have the same picture do not upload it twice

	mu     sync.Mutex
	known  map[networkid.AvatarID]*bridgev2.Avatar
	failed map[networkid.AvatarID]time.Time
	busy   map[networkid.AvatarID]chan struct{} // closed when that photo has come, or has not
}

// AvatarID is the framework's id of a photo, "" for none.
func AvatarID(ref []byte) networkid.AvatarID {
	if len(ref) == 0 {
		return ""
	}
	sum := sha256.Sum256(ref)
	return networkid.AvatarID(hex.EncodeToString(sum[:16]))
}

// Avatar returns a photo that was loaded in this run, else nil.
func (s *Store) Avatar(ref []byte) *bridgev2.Avatar {
	s.avatars.mu.Lock()
	defer s.avatars.mu.Unlock()
	return s.avatars.known[AvatarID(ref)]
}

// LoadAvatar brings a photo into the media repository; nil if it does not come. It was logged then, and is
// not tried again soon.
func (s *Store) LoadAvatar(ctx context.Context, in portal.InwardFile) *bridgev2.Avatar {
	id := AvatarID(in.Ref)
	known, mine := s.avatars.claim(ctx, id)
	if !mine {
		return known
	}
	defer s.avatars.release(id)
	if !take(ctx, s.avatars.loading) {
		return nil
	}
	defer func() { <-s.avatars.loading }()
	loaded, err := s.loadAvatar(ctx, in)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("avatar", string(id)).Msg("Failed to load a person's photo")
	}
	if ctx.Err() == nil {
		s.avatars.note(id, loaded)
	}
	return loaded
}

// claim returns a photo that is known, or lets the caller load it. It waits while somebody else loads it.
func (a *avatars) claim(ctx context.Context, id networkid.AvatarID) (known *bridgev2.Avatar, mine bool) {
	for ctx.Err() == nil && id != "" {
		a.mu.Lock()
		known, busy := a.known[id], a.busy[id]
		if known != nil || time.Since(a.failed[id]) < avatarAgain {
			a.mu.Unlock()
			return known, false
		}
		if busy == nil {
			if a.busy == nil {
				a.busy = map[networkid.AvatarID]chan struct{}{}
			}
			a.busy[id] = make(chan struct{})
			a.mu.Unlock()
			return nil, true
		}
		a.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
	return nil, false
}

func (a *avatars) release(id networkid.AvatarID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.busy[id])
	delete(a.busy, id)
}

func take(ctx context.Context, slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *avatars) note(id networkid.AvatarID, loaded *bridgev2.Avatar) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= avatarsKept || a.known == nil {
		a.known = map[networkid.AvatarID]*bridgev2.Avatar{}
	}
	if len(a.failed) >= avatarsKept || a.failed == nil {
		a.failed = map[networkid.AvatarID]time.Time{}
	}
	if delete(a.failed, id); loaded == nil {
		a.failed[id] = time.Now()
		return
	}
	a.known[id] = loaded
}

func (s *Store) loadAvatar(ctx context.Context, in portal.InwardFile) (*bridgev2.Avatar, error) {
	limits, attempts := s.patience()
	limits.Size, limits.Time = min(limits.Size, avatarSize), min(limits.Time, avatarTime)
	f, _, err := s.fetch(ctx, in, limits, attempts)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return s.PutAvatar(ctx, AvatarID(in.Ref), f)
}

// PutAvatar brings a picture into the media repository, unless it is there.
func (s *Store) PutAvatar(ctx context.Context, id networkid.AvatarID, f *media.File) (*bridgev2.Avatar, error) {
	if !f.IsPicture() {
		return nil, fmt.Errorf("%w: %s", media.ErrType, f.MIME)
	}
	if !take(ctx, s.avatars.putting) {
		return nil, ctx.Err()
	}
	defer func() { <-s.avatars.putting }()
	name := "avatar/" + hex.EncodeToString(f.SHA256[:])
	done, err := s.hs.Uploaded(ctx, name)
	if err == nil && done == nil {
		done, err = s.hs.Upload(ctx, homeserver.Upload{Name: name, FileName: "avatar"}, f)
	}
	if err != nil {
		return nil, err
	}
	return &bridgev2.Avatar{ID: id, MXC: done.URI, Hash: f.SHA256}, nil
}
