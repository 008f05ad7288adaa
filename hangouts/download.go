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
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, reason, _ := strings.Cut(resp.Status, " ")
		return nil, &NetworkError{Op: downloadOp, Code: resp.StatusCode, Reason: reason}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case int64(len(data)) > limit || resp.ContentLength > limit:
		return nil, fmt.Errorf("%s: %w: %d bytes", downloadOp, ErrTooLarge, limit)
	case err != nil:
		return nil, &NetworkError{Op: downloadOp, Err: newTransportError(err)}
	}
	return &Attachment{Data: data, ContentType: resp.Header.Get("Content-Type"), Filename: mediaFilename(resp.Header)}, nil
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
