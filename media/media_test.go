package media_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/media"
)

func pngOf(t *testing.T, w, h int) []byte {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))))
	return b.Bytes()
}

// bomb is a PNG whose header announces a picture that nobody can hold.
func bomb() []byte {
	chunk := func(name string, data []byte) []byte {
		out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		body := append([]byte(name), data...)
		return binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(nil, 60_000)
	header = binary.BigEndian.AppendUint32(header, 60_000)
	return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(header, 8, 0, 0, 0, 0))...)
}

func spool(data []byte, announced int64, l media.Limits) (*media.File, error) {
	return media.Spool(context.Background(), io.NopCloser(bytes.NewReader(data)), announced, l)
}

func TestSpoolKeepsEveryByteAndTheHead(t *testing.T) {
	var jpg, moving bytes.Buffer
	require.NoError(t, jpeg.Encode(&jpg, image.NewGray(image.Rect(0, 0, 30, 20)), nil))
	require.NoError(t, gif.Encode(&moving, image.NewGray(image.Rect(0, 0, 7, 9)), nil))
	webp := append([]byte("RIFF\x1a\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00"), 0x3f, 1, 0, 0xef, 0, 0)
	for _, c := range []struct {
		name string
		data []byte
		info media.Info
	}{
		{"PNG", pngOf(t, 12, 34), media.Info{MIME: "image/png", Width: 12, Height: 34}},
		{"JPEG", jpg.Bytes(), media.Info{MIME: "image/jpeg", Width: 30, Height: 20}},
		{"GIF", moving.Bytes(), media.Info{MIME: "image/gif", Width: 7, Height: 9}},
		{"WebP", webp, media.Info{MIME: "image/webp", Width: 320, Height: 240}},
		{"page", []byte("<!DOCTYPE html><p>Sign in"), media.Info{MIME: "text/html"}},
		{"video", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"), media.Info{MIME: "video/mp4"}},
		{"broken picture", []byte("\x89PNG\r\n\x1a\n and no more"), media.Info{MIME: "image/png"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := spool(c.data, int64(len(c.data)), media.Limits{Size: 1 << 20})
			require.NoError(t, err)
			defer f.Close()
			require.Equal(t, c.info, f.Info)
			require.Equal(t, sha256.Sum256(c.data), f.SHA256)
			require.EqualValues(t, len(c.data), f.Size)
			got, err := io.ReadAll(f)
			require.NoError(t, err)
			require.Equal(t, c.data, got)
		})
	}
}

func TestSpoolRefuses(t *testing.T) {
	for _, c := range []struct {
		name      string
		data      []byte
		announced int64
		want      error
	}{
		{"too large as announced", []byte("x"), 101, media.ErrTooLarge},
		{"too large without a word", bytes.Repeat([]byte("x"), 101), 0, media.ErrTooLarge},
		{"cut off", []byte("xy"), 3, media.ErrIncomplete},
		{"longer than announced", []byte("xyz"), 2, media.ErrIncomplete},
		{"empty", nil, 0, media.ErrEmpty},
		{"bomb", bomb(), 0, media.ErrTooManyPixels},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := spool(c.data, c.announced, media.Limits{Size: 100})
			require.ErrorIs(t, err, c.want)
		})
	}
}

// hanging gives some bytes and then none, until it is closed.
type hanging struct {
	io.Reader
	closed chan struct{}
}

func newHanging() *hanging { return &hanging{strings.NewReader("some"), make(chan struct{})} }

func (h *hanging) Read(p []byte) (int, error) {
	if n, err := h.Reader.Read(p); err == nil {
		return n, nil
	}
	<-h.closed
	return 0, errors.New("closed")
}

func (h *hanging) Close() error {
	close(h.closed)
	return nil
}

func TestSpoolEndsASourceThatHangs(t *testing.T) {
	for name, limits := range map[string]media.Limits{"stall": {Stall: 20 * time.Millisecond}, "whole": {Whole: 20 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			_, err := media.Spool(t.Context(), newHanging(), 0, limits)
			require.ErrorIs(t, err, media.ErrStalled)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err := media.Spool(ctx, newHanging(), 0, media.Limits{})
	require.ErrorIs(t, err, context.Canceled)
}

// damaged is a source that knows only at its end whether it was right, as one that is decrypted.
type damaged struct{ io.Reader }

func (damaged) Close() error { return errors.New("the hash does not match") }

func TestSpoolSaysTooLargeOfWhatItDoesNotReadToItsEnd(t *testing.T) {
	_, err := media.Spool(t.Context(), damaged{strings.NewReader(strings.Repeat("x", 101))}, 0, media.Limits{Size: 100})
	require.ErrorIs(t, err, media.ErrTooLarge)
	_, err = media.Spool(t.Context(), damaged{strings.NewReader("xx")}, 0, media.Limits{Size: 100})
	require.ErrorContains(t, err, "the hash does not match")
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x10\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := media.Inspect(bytes.NewReader(data))
		if err == nil && info.Width*info.Height > media.MaxPixels {
			t.Fatal("a bomb passed")
		}
	})
}
