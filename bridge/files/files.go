// Package files moves files between the network and the homeserver's media repository, over the
// disk: how much time and how many bytes a file may take is decided here.
package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.mau.fi/util/exmime"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
	"github.com/hangouts-bridge/hangouts-bridge/media"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// Store moves files. Its methods are safe for concurrent use.
type Store struct {
	hs      *homeserver.Connector
	limits  func() Limits
	avatars avatars

	mu      sync.Mutex
	trouble int                  // files in a row that did not come
	failing map[string]time.Time // since when the homeserver fails at a file, by its name
}

var _ portal.Files = (*Store)(nil)

// Limits bound one file.
type Limits struct {
	Size int64         // most bytes
	Time time.Duration // longest time to load it, all attempts together

	silence time.Duration // longest time without a byte
}

const (
	tries      = 3
	firstPause = 300 * time.Millisecond
	// failures is how many times the time of a file the homeserver may fail at it, so that one that it
	// cannot take does not hold up a room for ever.
	failures = 10
	// shortest is how long a host may be silent while no file comes.
	shortest = 2 * time.Second
)

// New makes a Store. limits is asked for each file.
func New(hs *homeserver.Connector, limits func() Limits) *Store {
	return &Store{hs: hs, limits: limits, avatars: avatars{loading: make(chan struct{}, avatarsAtOnce), putting: make(chan struct{}, 1)}}
}

// Inward implements portal.Files.
func (s *Store) Inward(ctx context.Context, in portal.InwardFile) (*portal.File, error) {
	if done, err := s.hs.Uploaded(ctx, in.Name); err != nil || done != nil {
		return fileOf(done), err
	}
	limits, attempts := s.patience()
	f, name, err := s.fetch(ctx, in, limits, attempts)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !in.Accept(f.Info) {
		return nil, fmt.Errorf("%w: %w: %s", portal.ErrNoFile, media.ErrType, f.MIME)
	}
	encrypt, err := s.hs.Encrypts(ctx, in.Room)
	if err != nil {
		return nil, err
	}
	done, err := s.hs.Upload(ctx, homeserver.Upload{
		Name: in.Name, Room: in.Room, Message: string(in.Message), Part: string(in.Part), FileName: name, Encrypt: encrypt,
	}, f)
	if errors.Is(err, media.ErrTooLarge) || homeserver.Refused(err) || s.hopeless(in.Name, err) {
		err = fmt.Errorf("%w: %w", portal.ErrNoFile, err)
	}
	return fileOf(done), err
}

// hopeless notes how an upload went, and reports whether it is given up: the homeserver itself has failed at
// this file for long. When it is not there at all, everything waits.
func (s *Store) hopeless(name string, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer mautrix.HTTPError
	if !errors.As(err, &answer) || answer.RespError == nil || answer.Response == nil || answer.Response.StatusCode != http.StatusInternalServerError {
		if err == nil {
			delete(s.failing, name)
		}
		return false
	}
	since, known := s.failing[name]
	if !known {
		if s.failing == nil {
			s.failing = map[string]time.Time{}
		}
		since, s.failing[name] = time.Now(), time.Now()
	}
	if time.Since(since) < failures*s.limits().Time {
		return false
	}
	delete(s.failing, name)
	return true
}

func fileOf(m *homeserver.Medium) *portal.File {
	if m == nil {
		return nil
	}
	return &portal.File{URI: m.URI, Keys: m.File, Name: cmp.Or(m.Name, "file"), MIME: m.MIME, Size: m.Size, Width: m.Width, Height: m.Height}
}

// fetch reads a file of the network onto disk, and gives its name.
func (s *Store) fetch(ctx context.Context, in portal.InwardFile, limits Limits, attempts int) (*media.File, string, error) {
	deadline := time.Now().Add(limits.Time)
	for n := 1; ; n++ {
		f, name, err := s.attempt(ctx, in, limits, deadline)
		if err == nil {
			s.came(true)
			return f, cmp.Or(chat.CleanFileName(name), chat.CleanFileName(in.Title), f.Kind()+exmime.ExtensionFromMimetype(f.MIME)), nil
		}
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		pause := firstPause << (n - 1)
		if !mayCome(err) || n >= attempts || time.Until(deadline) < pause {
			if mayCome(err) {
				s.came(false)
			}
			return nil, "", fmt.Errorf("%w: %w", portal.ErrNoFile, err)
		}
		homeserver.Sleep(ctx, pause)
	}
}

func (s *Store) attempt(ctx context.Context, in portal.InwardFile, l Limits, deadline time.Time) (f *media.File, name string, err error) {
	until, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	silence := min(l.silence, time.Until(deadline)/2+1)
	silent := time.AfterFunc(silence, cancel)
	body, info, err := in.Open(until, in.Ref)
	silent.Stop()
	if err == nil {
		f, err = media.Spool(until, body, info.Size, media.Limits{Size: l.Size, Stall: silence})
	}
	if err != nil && until.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", media.ErrStalled, err)
	}
	return f, info.Name, err
}

// mayCome reports whether asking for a file again may help.
func mayCome(err error) bool {
	for _, final := range []error{chat.ErrRefused, chat.ErrBadCredentials, chat.ErrUnknownAccount, media.ErrTooLarge, media.ErrTooManyPixels, media.ErrEmpty, media.ErrType, attachment.ErrHashMismatch, attachment.ErrInvalidHash} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// patience is what the next file may take. While none comes a host is given up sooner that says nothing, so
// that one that is down does not hold up a room for each of its files; a file that arrives has its whole time.
func (s *Store) patience() (l Limits, attempts int) {
	l, attempts = s.limits(), tries
	l.silence = l.Time
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble > 1 {
		attempts = 1
		l.silence = min(l.Time, max(l.Time>>min(s.trouble-1, 10), shortest))
	}
	return l, attempts
}

// came notes whether a file came.
func (s *Store) came(did bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble++; did {
		s.trouble = 0
	}
}

// Outward implements portal.Files. It tries again until ctx ends.
func (s *Store) Outward(ctx context.Context, content *event.MessageEventContent, most int64) (*media.File, error) {
	limits := s.limits()
	for pause := firstPause; ; pause = min(2*pause, 10*time.Second) {
		f, err := s.hs.Download(ctx, content.URL, content.File, media.Limits{Size: most, Stall: limits.Time, Whole: limits.Time})
		if err == nil || ctx.Err() != nil || homeserver.Refused(err) || !mayCome(err) {
			return f, err
		}
		homeserver.Sleep(ctx, pause)
	}
}

// HasLinks implements portal.Files.
func (s *Store) HasLinks() bool { return s.hs.Config.PublicMedia.Enabled }

// Link implements portal.Files.
func (s *Store) Link(ctx context.Context, content *event.MessageEventContent) (string, error) {
	if !s.HasLinks() {
		return "", portal.ErrNoLinks
	}
	uri := content.URL
	if content.File != nil {
		uri = content.File.URL
	}
	if _, err := homeserver.ParseMXC(uri); err != nil {
		return "", fmt.Errorf("make link: %w", err)
	}
	address, err := s.hs.GetPublicMediaAddressForEvent(ctx, content)
	switch {
	case errors.Is(err, bridgev2.ErrPublicMediaDisabled), errors.Is(err, bridgev2.ErrPublicMediaDatabaseDisabled):
		return "", fmt.Errorf("%w: %w", portal.ErrNoLinks, err)
	case err != nil:
		return "", fmt.Errorf("make link: %w", err)
	case address == "":
		return "", fmt.Errorf("make link: %w", media.ErrType)
	}
	return address, nil
}
