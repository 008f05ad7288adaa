package hangouts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

const (
	finalized = `{"sessionStatus":{"state":"FINALIZED","additionalInfo":{"uploader_service.GoogleRupioAdditionalInfo":{"completionInfo":{"status":"SUCCESS","customerSpecificInfo":{"photoid":"6789012345678901234","url":"https://lh3.example/s0/pixel.png"}}}}}}`
	denied    = `{"errorMessage":{"reason":"x","additionalInfo":{"uploader_service.GoogleRupioAdditionalInfo":{"completionInfo":{"customerSpecificInfo":{"status":"DENIED","message":"quota"}}}}}}`
)

func opened(address string) string {
	return `{"sessionStatus":{"state":"OPEN","externalFieldTransfers":[{"name":"file","status":"IN_PROGRESS","putInfo":{"url":"` + address + `"}}],"upload_id":"X"}}`
}

func TestUploadImage(t *testing.T) {
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if r.URL.Query().Get("upload_id") == "" {
			_, _ = io.WriteString(w, opened(s.srv.URL+"/upload/photos/resumable?upload_id=X&file_id=000"))
			return
		}
		_, _ = io.WriteString(w, finalized)
	}
	got, err := s.client(t, nil).UploadImage(context.Background(), strings.NewReader("\x89PNG"), "pixel.png")
	require.NoError(t, err)
	require.Equal(t, hangouts.UploadedImage{ID: "6789012345678901234", URL: "https://lh3.example/s0/pixel.png"}, got)
	require.Equal(t, got.ID, got.Photo().GetPhoto().GetPhotoId())

	sticker := hangouts.PhotoByID("612", "1002").GetPhoto()
	require.Equal(t, "612 1002 true", fmt.Sprint(sticker.GetPhotoId(), " ", sticker.GetUserId(), " ", sticker.GetIsCustomUserId()))
	require.Nil(t, got.Photo().GetPhoto().IsCustomUserId)

	first, second := s.requests[0], s.requests[1]
	require.Equal(t, "/upload/photos/resumable?alt=json&key=test-key", first.path)
	require.Equal(t, "application/x-www-form-urlencoded;charset=UTF-8", first.header.Get("Content-Type"))
	require.Equal(t, `{"protocolVersion":"0.8","createSessionRequest":{"fields":[{"external":{"name":"file","filename":"pixel.png","put":{},"size":4}}]}}`, string(first.body))
	require.Equal(t, "/upload/photos/resumable?alt=json&file_id=000&key=test-key&upload_id=X", second.path)
	require.Equal(t, "application/octet-stream", second.header.Get("Content-Type"))
	require.NotEmpty(t, second.header.Get("Authorization"))
	require.Equal(t, "\x89PNG", string(second.body))
}

// TestImageName: an image without a name gets the base name of its file, or one by its kind.
func TestImageName(t *testing.T) {
	s := newScript(t)
	s.api = func(w http.ResponseWriter, r *http.Request, _ []byte) {
		if r.URL.Query().Get("upload_id") == "" {
			_, _ = io.WriteString(w, opened(s.srv.URL+"/upload/photos/resumable?upload_id=X"))
			return
		}
		_, _ = io.WriteString(w, finalized)
	}
	client := s.client(t, nil)
	name := filepath.Join(t.TempDir(), "my cat.gif")
	require.NoError(t, os.WriteFile(name, []byte("GIF89a"), 0o600))
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	for _, x := range []struct {
		image       io.Reader
		given, want string
	}{
		{file, "", "my cat.gif"}, {strings.NewReader("GIF89a"), "", "image.gif"}, {strings.NewReader("\x89PNG\r\n\x1a\n"), "", "image.png"},
		{strings.NewReader("odd"), "", "image"}, {strings.NewReader("GIF89a"), "given", "given"},
	} {
		before := len(s.requests)
		_, err := client.UploadImage(t.Context(), x.image, x.given)
		require.NoError(t, err)
		require.Contains(t, string(s.requests[before].body), `"filename":"`+x.want+`"`)
	}
	_, err = client.UploadImage(t.Context(), nil, "x")
	require.ErrorIs(t, err, hangouts.ErrBadRequest)
}

func TestUploadImageFailures(t *testing.T) {
	s := newScript(t)
	here := s.srv.URL + "/upload/photos/resumable?upload_id=X"
	tests := []struct {
		name, first, second, text string
		is                        error
	}{
		{"refused", denied, "", "DENIED : quota", nil},
		{"refused without reason", `{"errorMessage":{"reason":"REQUEST_REJECTED"}}`, "", "unknown reason", nil},
		{"not JSON", `<html>`, "", "JSON", hangouts.ErrResponse},
		{"no transfers", `{"sessionStatus":{"externalFieldTransfers":[]}}`, "", "no address", hangouts.ErrResponse},
		{"no address", `{"sessionStatus":{"externalFieldTransfers":[{}]}}`, "", "no address", hangouts.ErrResponse},
		{"address elsewhere", opened("https://evil.example/upload?upload_id=X"), "", "may not receive", hangouts.ErrUntrustedHost},
		{"data refused", opened(here), denied, "DENIED", nil},
		{"no photo", opened(here), `{"sessionStatus":{}}`, "no photo id", hangouts.ErrResponse},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s.api = func(w http.ResponseWriter, r *http.Request, _ []byte) {
				if r.URL.Query().Get("upload_id") == "" {
					_, _ = io.WriteString(w, c.first)
				} else {
					_, _ = io.WriteString(w, c.second)
				}
			}
			_, err := s.client(t, nil).UploadImage(context.Background(), strings.NewReader("x"), "x.png")
			require.ErrorContains(t, err, c.text)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			var network *hangouts.NetworkError
			require.Equal(t, c.is != hangouts.ErrUntrustedHost, errors.As(err, &network))
		})
	}

	s.requests = nil
	client := s.client(t, nil)
	_, err := client.UploadImage(context.Background(), strings.NewReader(""), "x.png")
	require.ErrorIs(t, err, hangouts.ErrBadRequest)
	_, err = client.UploadImage(context.Background(), io.LimitReader(zeros{}, hangouts.MaxImageSize+1), "x.png")
	require.ErrorIs(t, err, hangouts.ErrBadRequest)
	broken := errors.New("disk")
	_, err = client.UploadImage(context.Background(), iotest.ErrReader(broken), "x.png")
	require.ErrorIs(t, err, broken)
	require.Empty(t, s.requests)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestUploadStatusVectors(t *testing.T) {
	type vector struct {
		ID, Why  string
		BodyJSON json.RawMessage `json:"body_json"`
		Expected struct {
			OK      *struct{ State string }
			Message string
		}
	}
	for _, v := range vectors[vector](t, "upload_status", 3) {
		state, err := hangouts.UploadState(v.BodyJSON)
		if v.Expected.OK != nil {
			require.NoError(t, err)
			require.Equal(t, v.Expected.OK.State, state)
			continue
		}
		var network *hangouts.NetworkError
		require.ErrorAs(t, err, &network)
		require.ErrorContains(t, err, v.Expected.Message, v.Why)
	}
}
