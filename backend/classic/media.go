package classic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

// mediaRef is chat.Attachment.Ref as JSON: where a file lies, or the photo that was uploaded.
type mediaRef struct {
	URL     string `json:"url,omitempty"`
	PhotoID string `json:"photo_id,omitempty"`
}

// refOf is the handle of a file at an address, nil for none.
func refOf(url string) []byte {
	if url == "" {
		return nil
	}
	ref, _ := json.Marshal(mediaRef{URL: url}) // strings only
	return ref
}

// Open implements account.Connection.
func (c *connection) Open(ctx context.Context, ref []byte) (io.ReadCloser, account.MediaInfo, error) {
	var at mediaRef
	if json.Unmarshal(ref, &at) != nil || at.URL == "" {
		return nil, account.MediaInfo{}, fmt.Errorf("%w: no address of a file", chat.ErrRefused)
	}
	stream, err := c.current().OpenAttachment(ctx, at.URL)
	if err != nil {
		return nil, account.MediaInfo{}, openError(err)
	}
	return stream.Body, account.MediaInfo{Name: stream.Filename, MIME: stream.ContentType, Size: stream.Size}, nil
}

// openError says whether asking for a file again may help.
func openError(err error) error {
	var network *hangouts.NetworkError
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.As(err, &network) && (network.Code == 0 || network.Code >= http.StatusInternalServerError || network.Code == http.StatusTooManyRequests) {
		return fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", chat.ErrRefused, err)
}

// Upload implements account.Connection: photos only, which are no part of a conversation yet.
func (c *connection) Upload(ctx context.Context, _ chat.ConversationID, name, _ string, size int64, r io.Reader) ([]byte, error) {
	if size > hangouts.MaxImageSize {
		return nil, fmt.Errorf("%w: %d bytes", chat.ErrTooLarge, size)
	}
	file, ok := r.(io.ReaderAt)
	if !ok {
		data, err := io.ReadAll(io.LimitReader(r, size+1))
		if err != nil {
			return nil, fmt.Errorf("read file: %w", err)
		} else if int64(len(data)) != size {
			return nil, fmt.Errorf("%w: %d bytes were announced", chat.ErrInvalidRequest, size)
		}
		file = bytes.NewReader(data)
	}
	uploaded, err := call(ctx, c, func(client *hangouts.Client) (hangouts.UploadedImage, error) {
		return client.UploadImageFile(ctx, file, size, name)
	})
	if errors.Is(err, account.ErrAmbiguous) {
		err = fmt.Errorf("%w: %w", chat.ErrUnavailable, err) // nobody sees what was perhaps uploaded
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(mediaRef{PhotoID: uploaded.ID, URL: uploaded.URL})
}
