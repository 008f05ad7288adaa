package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/crypto/attachment"
	"maunium.net/go/mautrix/event"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/media"
)

const (
	// fileWait bounds how long a file is on its way from the homeserver to the network.
	fileWait = 2 * time.Minute
	// Pauses between attempts to upload a file.
	uploadPause  = 500 * time.Millisecond
	longestPause = 10 * time.Second
)

var (
	errFileTooLarge = fmt.Errorf("%w: file", chat.ErrTooLarge)
	errNotAPicture  = fmt.Errorf("%w: a file that is no picture", chat.ErrUnsupported)
	errPicturesOnly = fmt.Errorf("%w: files", chat.ErrUnsupported)
	errNoDownload   = errors.New("the file cannot be downloaded")
	errDamaged      = errors.New("the file is not what was encrypted")
	errNoPoint      = errors.New("no coordinates")
	errUnknownType  = fmt.Errorf("%w: this type of message", chat.ErrUnsupported)
)

// carried reports whether messages of a type can be sent, if not always as what they are.
func carried(kind event.MessageType) bool {
	switch kind {
	case event.MsgText, event.MsgNotice, event.MsgEmote, event.MsgLocation:
		return true
	}
	return kind.IsMedia()
}

// carry brings what a message has beside its text to the network: as an attachment, or as a link in
// the text. An attachment without a Ref stands for one of a request that is in the outbox already.
func (h *Handler) carry(ctx context.Context, c chat.Conversation, msg *bridgev2.MatrixMessage, content *event.MessageEventContent, caption chat.Text) (chat.Text, *chat.Attachment, error) {
	switch {
	case content.MsgType == event.MsgLocation:
		return h.place(c, msg, content, caption)
	case !content.MsgType.IsMedia():
		return caption, nil, nil
	case content.MsgType == event.CapMsgSticker:
		caption = nil // its body says what it shows
	}
	if known, err := h.session.Submitted(ctx, ids.MakeOrigin(msg.Event.ID, 0)); err != nil || known {
		return caption, &chat.Attachment{Kind: chat.AttachPhoto}, err
	}
	if h.options.Files == nil {
		return nil, nil, errPicturesOnly
	}
	err := errPicturesOnly
	if h.session.Features(c).Photos && isPicture(content) {
		var photo *chat.Attachment
		if photo, err = h.photo(ctx, c, content); err == nil {
			return caption, photo, nil
		}
		if !errors.Is(err, errFileTooLarge) && !errors.Is(err, errNotAPicture) {
			return nil, nil, err
		}
	}
	link, linkErr := h.options.Files.Link(ctx, content)
	switch {
	case errors.Is(linkErr, ErrNoLinks):
		return nil, nil, err
	case errors.Is(linkErr, media.ErrType):
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, linkErr)
	case linkErr != nil:
		return nil, nil, linkErr
	}
	line := chat.Text{{Kind: chat.SegmentText, Text: fileName(content) + ": "}, {Kind: chat.SegmentLink, Text: link, Target: link}}
	return slices.Concat(caption, breakAfter(caption), line), nil, nil
}

// isPicture reports whether a message is of a picture, as far as its sender says.
func isPicture(content *event.MessageEventContent) bool {
	return content.MsgType == event.MsgImage || content.MsgType == event.CapMsgSticker ||
		content.MsgType == event.MsgFile && strings.HasPrefix(content.GetInfo().MimeType, "image/")
}

func fileName(content *event.MessageEventContent) string {
	name := content.GetFileName()
	if content.MsgType == event.CapMsgSticker {
		name = "sticker"
	}
	return cmp.Or(chat.CleanFileName(name), "file")
}

// photo uploads a picture. A repeat after a crash uploads it again, which nobody sees: only the
// request has an effect.
func (h *Handler) photo(ctx context.Context, c chat.Conversation, content *event.MessageEventContent) (*chat.Attachment, error) {
	limited, cancel := context.WithTimeout(ctx, fileWait)
	defer cancel()
	f, err := h.options.Files.Outward(limited, content, h.session.Features(c).MaxMedia)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, media.ErrTooLarge), errors.Is(err, media.ErrTooManyPixels):
		return nil, fmt.Errorf("%w: %w", errFileTooLarge, err)
	case errors.Is(err, attachment.ErrHashMismatch), errors.Is(err, attachment.ErrInvalidHash), errors.Is(err, media.ErrType):
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errNoDownload, err)
	}
	defer f.Close()
	if !f.IsPicture() {
		return nil, fmt.Errorf("%w: %s", errNotAPicture, f.MIME)
	}
	photo := &chat.Attachment{
		Kind: chat.AttachPhoto, Name: fileName(content), MIME: f.MIME, Size: f.Size,
		Width: f.Width, Height: f.Height, Animated: f.MIME == "image/gif",
	}
	photo.Ref, err = h.upload(limited, c.ID, photo.Name, f)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return photo, err
}

// upload gives the network a file, again and again while it cannot be reached.
func (h *Handler) upload(ctx context.Context, conversation chat.ConversationID, name string, f *media.File) ([]byte, error) {
	for pause := uploadPause; ; pause = min(2*pause, longestPause) {
		if err := f.Rewind(); err != nil {
			return nil, fmt.Errorf("read file: %w", err)
		}
		ref, err := h.session.Upload(ctx, conversation, name, f.MIME, f.Size, f)
		switch {
		case errors.Is(err, chat.ErrTooLarge):
			return nil, fmt.Errorf("%w: %w", errFileTooLarge, err)
		case err == nil || !errors.Is(err, chat.ErrUnavailable) && ctx.Err() == nil:
			return ref, err
		}
		var asked *account.RetryAfter
		if errors.As(err, &asked) {
			pause = max(pause, asked.After)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", chat.ErrExpired, err)
		}
	}
}

// place is a location as the network's own, or as a link to a map.
func (h *Handler) place(c chat.Conversation, msg *bridgev2.MatrixMessage, content *event.MessageEventContent, text chat.Text) (chat.Text, *chat.Attachment, error) {
	latitude, longitude, ok := parsePoint(content.GeoURI)
	if !ok {
		return nil, nil, errNoPoint
	}
	name := placeName(msg.Event.Content.Raw, content.Body)
	if msg.OrigSender == nil {
		text = nil // else it says who is relayed
	}
	if h.session.Features(c).Places {
		return text, &chat.Attachment{Kind: chat.AttachPlace, Latitude: latitude, Longitude: longitude, Name: name}, nil
	}
	link := fmt.Sprintf("https://maps.google.com/maps?q=%.6f,%.6f", latitude, longitude)
	line := chat.Text{{Kind: chat.SegmentText, Text: cmp.Or(name, "Place") + ": "}, {Kind: chat.SegmentLink, Text: link, Target: link}}
	return slices.Concat(text, breakAfter(text), line), nil, nil
}

// placeName is what a location is called: clients write coordinates into the body where it has no name.
func placeName(raw map[string]any, body string) string {
	for _, key := range []string{"m.location", "org.matrix.msc3488.location"} {
		location, _ := raw[key].(map[string]any)
		if description, _ := location["description"].(string); description != "" {
			return chat.CleanName(description)
		}
	}
	if strings.Contains(body, "geo:") {
		return ""
	}
	return chat.CleanName(body)
}

// parsePoint reads a geo URI (RFC 5870) of the Earth.
func parsePoint(uri string) (latitude, longitude float64, ok bool) {
	rest, ok := strings.CutPrefix(uri, "geo:")
	if !ok {
		return 0, 0, false
	}
	rest, _, _ = strings.Cut(rest, ";")
	numbers := strings.Split(rest, ",")
	if len(numbers) < 2 || len(numbers) > 3 {
		return 0, 0, false
	}
	latitude, errLatitude := strconv.ParseFloat(numbers[0], 64)
	longitude, errLongitude := strconv.ParseFloat(numbers[1], 64)
	if errLatitude != nil || errLongitude != nil || !(math.Abs(latitude) <= 90) || !(math.Abs(longitude) <= 180) {
		return 0, 0, false
	}
	return latitude, longitude, true
}
