package crash

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"image"
	"image/png"
	"math/rand/v2"
	"regexp"
	"strings"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/stage"
)

// draw makes the picture of an act and remembers whose it is. No two are the same.
func (w *world) draw(a act) []byte {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(a.picture()))
	random := rand.New(rand.NewPCG(w.seed, hash.Sum64()))
	img := image.NewGray(image.Rect(0, 0, 64, 1+a.size/64))
	for i := range img.Pix {
		img.Pix[i] = byte(random.Uint32())
	}
	var out bytes.Buffer
	_ = png.Encode(&out, img)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pictures[digest(out.Bytes())] = a.picture()
	return out.Bytes()
}

func digest(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// named is what a picture with some bytes is called.
func (w *world) named(digest string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name := w.pictures[digest]; name != "" {
		return name
	}
	return "unknown picture " + digest
}

// photoPath is where the Hangouts server has a picture.
var photoPath = regexp.MustCompile(`/photos/(\d+)/\S*$`)

// photographed replaces the address of a picture at the end of a text by the picture's name.
func (w *world) photographed(text string) string {
	at := photoPath.FindStringSubmatchIndex(text)
	if at == nil {
		return text
	}
	caption, _, _ := strings.Cut(text[:at[0]], "[photo]")
	if line := strings.LastIndex(text[:at[0]], "\n"); line >= 0 && caption == text[:at[0]] {
		caption = text[:line] // the rest is the beginning of the address
	}
	return captioned(w.named(w.photo(text[at[2]:at[3]])), strings.TrimSpace(caption))
}

// photo is the digest of a picture that the Hangouts server has.
func (w *world) photo(name string) string {
	w.photosMu.Lock()
	defer w.photosMu.Unlock()
	if w.photos[name] == "" {
		if list, err := w.hangouts.Photos(w.ctx); err == nil {
			for _, p := range list {
				w.photos[p.ID] = p.SHA256
			}
		}
	}
	return w.photos[name]
}

// pictured is a Matrix message as text: a picture by the name that its bytes have.
func (w *world) pictured(content *event.MessageEventContent) string {
	if content.MsgType != event.MsgImage {
		return content.Body
	}
	return captioned(w.named(w.stored(content.URL)), content.GetCaption())
}

// stored is the digest of a file in the homeserver's media repository, "" if it cannot be loaded.
func (w *world) stored(uri id.ContentURIString) string {
	w.photosMu.Lock()
	defer w.photosMu.Unlock()
	if w.media[uri] == "" {
		if data, err := w.Alice.Matrix.DownloadBytes(w.ctx, uri.ParseOrIgnore()); err == nil {
			w.media[uri] = digest(data)
		}
	}
	return w.media[uri]
}

// uploads checks that the bridge has brought each picture of Hangouts into the media repository once, and none of Matrix. A
// database that has been set back does not know of what it has uploaded: then once more is right. mu is held.
func (v *verdict) uploads(w *world, all map[string]*seen) {
	if w.null == nil {
		return // Synapse does not tell
	}
	times := map[string]int{}
	for _, u := range w.null.Uploads() {
		if u.User == stage.Bot {
			times[u.SHA256]++
		}
	}
	w.photosMu.Lock()
	for _, p := range w.photos {
		v.photos[w.pictures[p]]++
	}
	w.photosMu.Unlock()
	delete(v.photos, "")
	shown := map[string]int64{} // when (ms)
	for _, s := range all {
		for _, e := range s.hangouts {
			name, _, _ := strings.Cut(e.Text, " captioned ")
			shown[name] = e.TimeMS
		}
	}
	for hash, name := range w.pictures {
		most := 1
		for _, at := range w.forgot {
			if shown[name] < at {
				most++
			}
		}
		if sourceOf(name).matrix {
			most = 0
		}
		if times[hash] > 1 {
			v.uploadedAgain += times[hash] - 1
		}
		if times[hash] > most {
			v.problems = append(v.problems, Problem{Kind: Doubled, Where: "in the media repository", What: name, Detail: fmt.Sprintf("uploaded %d times", times[hash])})
		}
	}
}
