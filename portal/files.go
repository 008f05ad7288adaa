package portal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/media"
	"github.com/hangouts-bridge/hangouts-bridge/portal/format"
)

// Files moves files between the network and the homeserver's media repository.
type Files interface {
	// Inward brings a file of the network into the media repository, once for each name. An error
	// that wraps ErrNoFile says that the file will not come; after any other the whole may be tried again.
	Inward(ctx context.Context, file InwardFile) (*File, error)
	// Outward reads a file of the media repository onto disk, decrypted, of at most most bytes (0: any).
	Outward(ctx context.Context, content *event.MessageEventContent, most int64) (*media.File, error)
	// Link is a public address of a file of the media repository, or ErrNoLinks.
	Link(ctx context.Context, content *event.MessageEventContent) (string, error)
	// HasLinks reports whether Link can give addresses.
	HasLinks() bool
}

var (
	// ErrNoFile: a file of the network cannot be shown; the reason is wrapped, too.
	ErrNoFile = errors.New("the file cannot be shown")
	// ErrNoLinks: files of the media repository have no public addresses.
	ErrNoLinks = errors.New("no public media")
)

// InwardFile says which file of the network is wanted, and where.
type InwardFile struct {
	Open    func(ctx context.Context, ref []byte) (io.ReadCloser, account.MediaInfo, error)
	Ref     []byte
	Name    string // the same in every attempt, and of this file only
	Room    id.RoomID
	Message networkid.MessageID
	Part    networkid.PartID
	Title   string                // file name where the network gives none
	Accept  func(media.Info) bool // whether the bytes are of the wanted type
}

// File is a file in the media repository.
type File struct {
	URI           id.ContentURIString
	Keys          *event.EncryptedFileInfo // nil if it is not encrypted
	Name, MIME    string
	Size          int64
	Width, Height int
}

// info describes the file to clients.
func (f *File) info() *event.FileInfo {
	return &event.FileInfo{MimeType: f.MIME, Size: int(f.Size), Width: f.Width, Height: f.Height}
}

// shownFile is a part of a message that shows a file, or a place.
type shownFile struct {
	part       *bridgev2.ConvertedMessagePart
	attachment chat.Attachment
	caption    chat.Text // nil: none
	mentions   []id.UserID
}

// isFile reports whether an attachment is a file that can be loaded.
func isFile(a chat.Attachment) bool {
	return len(a.Ref) > 0 && a.Kind != chat.AttachPlace && a.Kind != chat.AttachLink && a.Kind != chat.AttachOther
}

func isPoint(a chat.Attachment) bool {
	return a.Kind == chat.AttachPlace && (a.Latitude != 0 || a.Longitude != 0)
}

// file adds the part of an attachment: a link, until the file is loaded.
func (c *converted) file(a chat.Attachment, caption chat.Text, mentions ...id.UserID) {
	f := &shownFile{attachment: a, caption: caption, mentions: mentions}
	switch {
	case isPoint(a):
		f.part = c.add(pointContent(a))
		if len(a.Preview) == 0 {
			return
		}
	case isFile(a):
		f.part = c.add(f.link("", event.MsgText))
	default:
		c.add(f.link("", event.MsgText))
		return
	}
	c.files = append(c.files, f)
}

// link is the caption and a link to the file.
func (f *shownFile) link(why string, kind event.MessageType) *event.MessageEventContent {
	text := attachmentText(f.attachment, why)
	if len(f.caption) > 0 {
		kind, text = event.MsgText, slices.Concat(f.caption, chat.Text{{Kind: chat.SegmentBreak}}, text)
	}
	return format.Content(kind, text, f.mentions...)
}

// Load loads the files of a message that has a room now, before the framework sends it.
func (h *Handler) Load(ctx context.Context, room *bridgev2.Portal, remote bridgev2.RemoteEvent) error {
	switch m := remote.(type) {
	case *message:
		return h.load(ctx, room, m.id, m.files)
	case *edit:
		return h.load(ctx, room, m.id, m.files)
	}
	return nil
}

// load loads files, except those whose parts are in the room already.
func (h *Handler) load(ctx context.Context, room *bridgev2.Portal, message networkid.MessageID, files []*shownFile) error {
	if len(files) == 0 || room == nil || h.options.Files == nil || h.session == nil {
		return nil
	}
	rows, err := room.Bridge.DB.Message.GetAllPartsByID(ctx, room.Receiver, message)
	if err != nil {
		return fmt.Errorf("%w: look for message: %w", bridgev2.ErrDatabaseError, err)
	}
	for _, f := range files {
		if slices.ContainsFunc(rows, func(row *database.Message) bool { return row.PartID == f.part.ID }) {
			continue
		}
		if f.part.Content, err = h.shown(ctx, room.MXID, message, f); err != nil {
			return err
		}
	}
	return nil
}

// shown is the content that shows a file, or a link to it if it will not come.
func (h *Handler) shown(ctx context.Context, room id.RoomID, message networkid.MessageID, f *shownFile) (*event.MessageEventContent, error) {
	a := f.attachment
	in := InwardFile{Open: h.session.Open, Ref: a.Ref, Room: room, Message: message, Part: f.part.ID, Title: a.Name, Accept: accepts(a.Kind)}
	in.Name = strings.Join([]string{"file", string(room), string(message), string(f.part.ID)}, "/")
	preview := in
	preview.Ref, preview.Name, preview.Title, preview.Accept = a.Preview, in.Name+"/preview", "", media.Info.IsPicture
	if isPoint(a) {
		picture, err := h.preview(ctx, preview)
		return withThumbnail(f.part.Content, picture), err
	}
	file, err := h.options.Files.Inward(ctx, in)
	if err != nil && !errors.Is(err, ErrNoFile) {
		return nil, fmt.Errorf("load file: %w", err)
	}
	var picture *File
	if a.Kind == chat.AttachVideo && (file == nil || !strings.HasPrefix(file.MIME, "image/")) {
		var failed error
		if picture, failed = h.preview(ctx, preview); failed != nil {
			return nil, failed
		}
	}
	switch {
	case err == nil:
		return withThumbnail(f.content(file), picture), nil
	case picture != nil:
		still := *f
		still.caption = slices.Concat(f.caption, breakAfter(f.caption), attachmentText(a, reason(err)))
		return still.content(picture), nil
	}
	zerolog.Ctx(ctx).Warn().Err(err).Str("message_id", string(message)).Str("kind", string(a.Kind)).Msg("Showing a link instead of a file")
	return f.link(reason(err), event.MsgNotice), nil
}

func breakAfter(text chat.Text) chat.Text {
	if len(text) == 0 {
		return nil
	}
	return chat.Text{{Kind: chat.SegmentBreak}}
}

// preview loads a small picture, nil if there is none.
func (h *Handler) preview(ctx context.Context, in InwardFile) (*File, error) {
	if len(in.Ref) == 0 {
		return nil, nil
	}
	file, err := h.options.Files.Inward(ctx, in)
	if err != nil && !errors.Is(err, ErrNoFile) {
		return nil, fmt.Errorf("load preview: %w", err)
	}
	return file, nil
}

// content shows a file with its caption.
func (f *shownFile) content(file *File) *event.MessageEventContent {
	kind := messageType(f.attachment.Kind, file.MIME)
	content := &event.MessageEventContent{MsgType: kind, Body: file.Name, Mentions: &event.Mentions{}}
	if len(f.caption) > 0 {
		content = format.Content(kind, f.caption, f.mentions...)
	}
	content.FileName, content.Info = file.Name, file.info()
	if content.URL, content.File = file.URI, file.Keys; file.Keys != nil {
		content.URL = ""
	}
	content.Info.Duration = int(f.attachment.Duration / 1000)
	content.Info.IsAnimated = f.attachment.Animated
	if f.attachment.Kind == chat.AttachFile && f.attachment.MIME != "" {
		content.Info.MimeType = f.attachment.MIME
	}
	if f.attachment.Kind == chat.AttachVoice {
		content.MSC3245Voice = &event.MSC3245Voice{}
	}
	return content
}

func withThumbnail(content *event.MessageEventContent, picture *File) *event.MessageEventContent {
	if picture == nil {
		return content
	}
	info := content.GetInfo()
	info.ThumbnailInfo = picture.info()
	if info.ThumbnailURL, info.ThumbnailFile = picture.URI, picture.Keys; picture.Keys != nil {
		info.ThumbnailURL = ""
	}
	content.Info = info
	return content
}

// pointContent shows a place on the map.
func pointContent(a chat.Attachment) *event.MessageEventContent {
	content := format.Content(event.MsgLocation, attachmentText(a, ""))
	content.GeoURI, content.Format, content.FormattedBody = fmt.Sprintf("geo:%.6f,%.6f", a.Latitude, a.Longitude), "", ""
	return content
}

// accepts is which files may be shown as an attachment of a kind: what they are called is not believed.
func accepts(kind chat.AttachmentKind) func(media.Info) bool {
	switch kind {
	case chat.AttachPhoto:
		return media.Info.IsPicture
	case chat.AttachVideo: // or only its first picture
		return func(i media.Info) bool { return i.Kind() == "video" || i.IsPicture() }
	case chat.AttachAudio, chat.AttachVoice:
		return func(i media.Info) bool {
			return i.Kind() == "audio" || i.MIME == "application/ogg" || i.MIME == "video/mp4" || i.MIME == "video/webm"
		}
	}
	return func(media.Info) bool { return true }
}

func messageType(kind chat.AttachmentKind, mime string) event.MessageType {
	switch {
	case kind == chat.AttachFile:
		return event.MsgFile
	case kind == chat.AttachAudio, kind == chat.AttachVoice:
		return event.MsgAudio
	case strings.HasPrefix(mime, "video/"):
		return event.MsgVideo
	}
	return event.MsgImage
}

// reason says why a file is not shown.
func reason(err error) string {
	switch {
	case errors.Is(err, media.ErrTooLarge), errors.Is(err, media.ErrTooManyPixels):
		return "too large to be shown here"
	case errors.Is(err, media.ErrType):
		return "not of a type that can be shown here"
	}
	return "it could not be loaded"
}
