package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	_ "image/gif" // dimensions of pictures
	_ "image/jpeg"
	_ "image/png"
	"io"
	"mime"
	"net/http"
	"strings"
)

// Info is what the bytes of a file say of it.
type Info struct {
	MIME          string // without parameters
	Width, Height int    // of a picture whose format is known, else 0
}

// Kind is the first half of the type: image, video, audio, …
func (i Info) Kind() string {
	kind, _, _ := strings.Cut(i.MIME, "/")
	return kind
}

// IsPicture reports whether a file is a picture that clients show: no SVG, which is a program.
func (i Info) IsPicture() bool {
	switch i.MIME {
	case "image/gif", "image/jpeg", "image/png", "image/webp", "image/bmp", "image/avif", "image/heic":
		return true
	}
	return false
}

// sniffed bytes tell the type of a file.
const sniffed = 512

// Inspect reads the head of a file. The error is ErrTooManyPixels, or one of reading.
func Inspect(file io.ReadSeeker) (Info, error) {
	head := make([]byte, sniffed)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return Info{}, err
	}
	info := Info{MIME: sniff(head[:n])}
	if info.Kind() != "image" {
		return info, nil
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return info, err
	}
	if info.MIME == "image/webp" {
		info.Width, info.Height = webpSize(head[:n])
	} else if config, _, err := image.DecodeConfig(file); err == nil {
		info.Width, info.Height = config.Width, config.Height
	}
	if int64(info.Width)*int64(info.Height) > MaxPixels {
		return info, fmt.Errorf("%w: %d x %d", ErrTooManyPixels, info.Width, info.Height)
	}
	return info, nil
}

// sniff is the type by the bytes alone: what a server calls a file is not believed.
func sniff(head []byte) string {
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		switch string(head[8:12]) {
		case "avif", "avis":
			return "image/avif"
		case "heic", "heix", "mif1", "msf1":
			return "image/heic"
		case "qt  ":
			return "video/quicktime"
		}
	}
	kind, _, err := mime.ParseMediaType(http.DetectContentType(head))
	if err != nil {
		return "application/octet-stream"
	}
	return kind
}

// webpSize is the size in a WebP header (VP8, VP8L or VP8X), 0 if it has none.
func webpSize(head []byte) (width, height int) {
	if len(head) < 30 || !bytes.Equal(head[8:12], []byte("WEBP")) {
		return 0, 0
	}
	switch string(head[12:16]) {
	case "VP8 ":
		return int(binary.LittleEndian.Uint16(head[26:]) & 0x3fff), int(binary.LittleEndian.Uint16(head[28:]) & 0x3fff)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(head[21:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1
	case "VP8X":
		three := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
		return three(head[24:]) + 1, three(head[27:]) + 1
	}
	return 0, 0
}
