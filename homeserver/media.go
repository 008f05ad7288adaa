package homeserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/media"
)

const (
	// mediaTransfers is how many files at once are on their way to the homeserver, and as many from it.
	mediaTransfers = 4
	// mediaDeadline bounds one attempt to upload a file.
	mediaDeadline = 3 * time.Minute
)

// repository is the homeserver's media repository. A file is uploaded once however often that is
// tried: its mxc is created and stored before the first byte is sent, where the homeserver can do that.
type repository struct {
	store    *database.MatrixMedia
	c        *Connector
	up, down chan struct{}
	noCreate atomic.Bool // the homeserver has no asynchronous uploads
}

func newRepository(c *Connector, store *database.MatrixMedia) *repository {
	return &repository{store: store, c: c, up: make(chan struct{}, mediaTransfers), down: make(chan struct{}, mediaTransfers)}
}

// Upload says what a file is. Name is the same in every attempt; two files never have the same.
// Message and Part are "" for what is not part of a message.
type Upload struct {
	Name     string
	Room     id.RoomID
	Message  string
	Part     string
	FileName string
	Encrypt  bool
}

// Medium is a file in the media repository.
type Medium struct {
	URI    id.ContentURIString      `json:"-"`
	File   *event.EncryptedFileInfo `json:"file,omitempty"` // its keys; nil if it is not encrypted
	Name   string                   `json:"name,omitempty"`
	MIME   string                   `json:"mime"`
	Size   int64                    `json:"size"`
	Width  int                      `json:"width,omitempty"`
	Height int                      `json:"height,omitempty"`
}

// Uploaded returns a file that is in the media repository already, nil if it is not.
func (c *Connector) Uploaded(ctx context.Context, name string) (*Medium, error) {
	row, err := c.media.store.Get(ctx, name)
	switch {
	case errors.Is(err, database.ErrNotFound) || err == nil && !row.Uploaded:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: look for file: %w", bridgev2.ErrDatabaseError, err)
	}
	return mediumOf(row)
}

func mediumOf(row database.MatrixMedium) (*Medium, error) {
	m := &Medium{}
	if err := json.Unmarshal([]byte(row.Payload), m); err != nil {
		return nil, fmt.Errorf("%w: stored file: %w", bridgev2.ErrDatabaseError, err)
	}
	m.URI = id.ContentURIString(row.MXC)
	if m.File != nil {
		m.File.URL = m.URI
	}
	return m, nil
}

// Upload brings a file into the media repository; on disk it is encrypted by that, if it has to be. The
// error wraps media.ErrTooLarge when the homeserver says so.
func (c *Connector) Upload(ctx context.Context, u Upload, f *media.File) (*Medium, error) {
	r := c.media
	if err := take(ctx, r.up); err != nil {
		return nil, err
	}
	defer func() { <-r.up }()
	row, err := r.store.Get(ctx, u.Name)
	known := err == nil
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return nil, fmt.Errorf("%w: look for file: %w", bridgev2.ErrDatabaseError, err)
	}
	m := &Medium{Name: u.FileName, MIME: f.MIME, Size: f.Size, Width: f.Width, Height: f.Height}
	if err = m.encrypt(u, row, f); err != nil {
		return nil, err
	}
	fresh := database.MatrixMedium{Name: u.Name, MessageID: u.Message, PartID: u.Part, RoomID: string(u.Room), MXC: row.MXC}
	err = r.transfer(ctx, u, m, f, &fresh)
	if known && gone(err) { // created too long ago
		if fresh.MXC, err = "", f.Rewind(); err == nil {
			err = r.transfer(ctx, u, m, f, &fresh)
		}
	}
	if known && errors.Is(err, errCannotOverwrite) { // an earlier attempt had succeeded
		fresh.Payload, err = row.Payload, nil
	}
	if err != nil {
		return nil, uploadError(err)
	}
	fresh.Uploaded = true
	if err = r.store.Put(ctx, fresh); err != nil {
		return nil, fmt.Errorf("%w: note upload: %w", bridgev2.ErrDatabaseError, err)
	}
	return mediumOf(fresh)
}

// encrypt encrypts a file on disk, with the keys of an earlier attempt if there was one: the
// homeserver may have that attempt's bytes.
func (m *Medium) encrypt(u Upload, earlier database.MatrixMedium, f *media.File) error {
	if err := f.Rewind(); err != nil || !u.Encrypt {
		return err
	}
	if earlier.MXC != "" {
		if was, err := mediumOf(earlier); err == nil {
			m.File = was.File
		}
	}
	if m.File == nil {
		m.File = &event.EncryptedFileInfo{EncryptedFile: *attachment.NewEncryptedFile()}
	}
	if err := m.File.EncryptFile(f.File); err != nil {
		return fmt.Errorf("encrypt file: %w", err)
	}
	return f.Rewind()
}

// transfer uploads the bytes. row.MXC is created and stored before, unless it is there.
func (r *repository) transfer(ctx context.Context, u Upload, m *Medium, f *media.File, row *database.MatrixMedium) error {
	payload, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode file: %w", err)
	}
	row.Payload = string(payload)
	if row.MXC == "" {
		if row.MXC, err = r.create(ctx); err != nil {
			return err
		}
	}
	if row.MXC != "" {
		if err = r.store.Put(ctx, *row); err != nil {
			return fmt.Errorf("%w: note upload: %w", bridgev2.ErrDatabaseError, err)
		}
	}
	req := mautrix.ReqUploadMedia{Content: body{f}, ContentLength: f.Size, ContentType: f.MIME, FileName: u.FileName}
	if m.File != nil {
		req.ContentType, req.FileName = "application/octet-stream", ""
	}
	if row.MXC != "" {
		if req.MXC, err = id.ParseContentURI(row.MXC); err != nil {
			return fmt.Errorf("created mxc: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1), mediaDeadline)
	defer cancel()
	resp, err := r.c.Bot.UploadMedia(ctx, req)
	for waited := time.Duration(0); err != nil && ctx.Err() == nil; {
		pause := retryAfter(err)
		if waited += pause; pause == 0 || waited > longestLimit {
			return err
		}
		Sleep(ctx, pause)
		if err = f.Rewind(); err == nil {
			resp, err = r.c.Bot.UploadMedia(ctx, req)
		}
	}
	if err == nil && row.MXC == "" {
		row.MXC = resp.ContentURI.String()
	}
	return err
}

// body keeps the HTTP client from closing the file.
type body struct{ io.Reader }

// create makes an mxc for a later upload, "" where the homeserver makes none.
func (r *repository) create(ctx context.Context) (string, error) {
	if r.noCreate.Load() {
		return "", nil
	}
	if err := r.c.Bot.EnsureRegistered(ctx); err != nil {
		return "", err
	}
	resp, err := r.c.Bot.CreateMXC(context.WithValue(ctx, mautrix.MaxAttemptsContextKey, 1))
	switch {
	case err == nil && resp.UnstableUploadURL == "":
		return resp.ContentURI.String(), nil
	case err == nil, retryAfter(err) != 0: // too many that were never used
		return "", nil
	case Refused(err):
		zerolog.Ctx(ctx).Info().Err(err).Msg("The homeserver has no asynchronous uploads; a crash may upload a file twice")
		r.noCreate.Store(true)
		return "", nil
	}
	return "", err
}

// gone reports whether an mxc of an earlier attempt cannot be uploaded to any more.
func gone(err error) bool {
	var httpErr mautrix.HTTPError
	if !errors.As(err, &httpErr) || httpErr.Response == nil {
		return false
	}
	return httpErr.Response.StatusCode == http.StatusNotFound || httpErr.Response.StatusCode == http.StatusForbidden
}

func uploadError(err error) error {
	var httpErr mautrix.HTTPError
	if errors.Is(err, mautrix.MTooLarge) || errors.As(err, &httpErr) && httpErr.Response != nil && httpErr.Response.StatusCode == http.StatusRequestEntityTooLarge {
		return fmt.Errorf("upload file: %w: %w", media.ErrTooLarge, err)
	}
	return fmt.Errorf("upload file: %w", err)
}

// Download reads a file of the media repository onto disk, decrypted where keys say how. The error
// wraps one of package media, or of the attachment package when the bytes are not those that were encrypted.
func (c *Connector) Download(ctx context.Context, uri id.ContentURIString, keys *event.EncryptedFileInfo, l media.Limits) (*media.File, error) {
	if keys != nil {
		uri = keys.URL
		if err := keys.PrepareForDecryption(); err != nil {
			return nil, fmt.Errorf("%w: keys of the file: %w", media.ErrType, err)
		}
	}
	parsed, err := ParseMXC(uri)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.Bot.Download(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("download file: %w", err)
	}
	// Not before: the homeserver may be waiting long for another one, which must not keep others' files back.
	if err = take(ctx, c.media.down); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	defer func() { <-c.media.down }()
	source := resp.Body
	if keys != nil {
		source = keys.DecryptStream(resp.Body)
	}
	f, err := media.Spool(ctx, source, max(resp.ContentLength, 0), l)
	if err != nil {
		return nil, fmt.Errorf("download file: %w", err)
	}
	return f, nil
}

// ParseMXC reads the address of a file as a user has written it. What is none wraps media.ErrType: in a request
// to the homeserver dots would lead out of the media repository.
func ParseMXC(uri id.ContentURIString) (id.ContentURI, error) {
	parsed, err := uri.Parse()
	if err != nil || !parsed.IsValid() || strings.Trim(parsed.Homeserver, ".") == "" {
		return id.ContentURI{}, fmt.Errorf("%w: no mxc", media.ErrType)
	}
	return parsed, nil
}

func take(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Encrypts reports whether what is sent into a room is encrypted, files included.
func (c *Connector) Encrypts(ctx context.Context, room id.RoomID) (bool, error) {
	bot, ok := c.BotIntent().(*Intent)
	if !ok {
		return false, nil
	}
	return bot.encrypts(ctx, room)
}
