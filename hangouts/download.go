package hangouts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxDownloadSize is the limit of Download in bytes when none is given.
const MaxDownloadSize = 64 << 20

const (
	downloadOp       = "download"
	maxMediaHops     = 5
	maxMediaFilename = 255
)

// Attachment is a downloaded file.
type Attachment struct {
	Data []byte
	// ContentType is that of the server's answer, "" without one.
	ContentType string
	// Filename is a plain name without folders, "" when the server gives none.
	Filename string
}

// Download fetches an attachment of a message, or a person's photo (protocol §10.3, §11.2). Nothing
// secret is sent along: images are public. The address and every redirect must lead to
// Config.MediaHosts, otherwise it returns ErrMediaHost and sends nothing. More than limit bytes (0:
// MaxDownloadSize) give ErrTooLarge; other failures are NetworkErrors.
func (c *Client) Download(ctx context.Context, address string, limit int64) (*Attachment, error) {
	if err := c.ready(); err != nil {
		return nil, fmt.Errorf("%s: %w", downloadOp, err)
	}
	if limit <= 0 {
		limit = MaxDownloadSize
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.UploadTimeout)
	defer cancel()
	stream, err := c.OpenAttachment(ctx, address)
	if err != nil {
		return nil, err
	}
	defer stream.Body.Close()
	if stream.Size > limit {
		return nil, fmt.Errorf("%s: %w: %d bytes", downloadOp, ErrTooLarge, limit)
	}
	data, err := io.ReadAll(io.LimitReader(stream.Body, limit+1))
	switch {
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("%s: %w: %d bytes", downloadOp, ErrTooLarge, limit)
	case err != nil:
		return nil, &NetworkError{Op: downloadOp, Err: newTransportError(err)}
	}
	return &Attachment{Data: data, ContentType: stream.ContentType, Filename: stream.Filename}, nil
}

// AttachmentStream is a file that is being downloaded. Body has to be closed.
type AttachmentStream struct {
	Body io.ReadCloser
	// Size is how many bytes the server announces, 0 if it does not.
	Size int64
	// ContentType and Filename are those of Attachment.
	ContentType, Filename string
}

// OpenAttachment is Download without reading the file: its Body ends with ctx. The answer, though not
// the whole file, has to begin within Config.UploadTimeout.
func (c *Client) OpenAttachment(ctx context.Context, address string) (*AttachmentStream, error) {
	if err := c.ready(); err != nil {
		return nil, fmt.Errorf("%s: %w", downloadOp, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(c.cfg.UploadTimeout, cancel)
	resp, err := c.openMedia(ctx, address)
	if err != nil {
		cancel()
		return nil, err
	}
	if !late.Stop() {
		err = &NetworkError{Op: downloadOp, Err: newTransportError(context.DeadlineExceeded)}
	} else if resp.StatusCode != http.StatusOK {
		_, reason, _ := strings.Cut(resp.Status, " ")
		err = &NetworkError{Op: downloadOp, Code: resp.StatusCode, Reason: reason}
	}
	if err != nil {
		_ = resp.Body.Close()
		cancel()
		return nil, err
	}
	return &AttachmentStream{
		Body: &cancelling{resp.Body, cancel}, Size: max(resp.ContentLength, 0),
		ContentType: resp.Header.Get("Content-Type"), Filename: mediaFilename(resp.Header),
	}, nil
}

// cancelling frees the request of a body with it.
type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelling) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func (c *Client) openMedia(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, PhotoURL(address), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", downloadOp, ErrMediaHost)
	}
	if err := c.checkMedia(req.URL); err != nil {
		return nil, err
	}
	resp, err := c.mediaClient().Do(req)
	if errors.Is(err, ErrMediaHost) {
		return nil, fmt.Errorf("%s: redirect: %w", downloadOp, ErrMediaHost)
	}
	if err != nil {
		return nil, &NetworkError{Op: downloadOp, Err: newTransportError(err)}
	}
	return resp, nil
}

// mediaClient follows redirects among the media hosts, with the transport of the other requests.
func (c *Client) mediaClient() *http.Client {
	client := *c.http
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) >= maxMediaHops {
			return http.ErrUseLastResponse
		}
		req.Header.Del("Referer")
		return c.checkMedia(req.URL)
	}
	return &client
}

func (c *Client) checkMedia(u *url.URL) error {
	if u.User != nil || !c.cfg.among(c.cfg.MediaHosts, u) {
		return fmt.Errorf("%s: %w", downloadOp, ErrMediaHost)
	}
	return nil
}

// mediaFilename is the name of a file as its server gives it, without folders.
func mediaFilename(h http.Header) string {
	_, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil {
		return ""
	}
	name := path.Base(path.Clean("/" + strings.ReplaceAll(params["filename"], `\`, "/")))
	if name == "/" || len(name) > maxMediaFilename || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return ""
	}
	return name
}
