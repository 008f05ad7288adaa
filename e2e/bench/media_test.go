package bench

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkLargePictures is what ten pictures of 100 MB on their way into ten rooms cost: memory, and how much longer
// a text in another room takes.
func BenchmarkLargePictures(b *testing.B) {
	const rooms, size = 10, 100 << 20
	s := newSetting(b, groups(rooms+1), true, func(s *setting) {
		s.Set("network.max_file_size", 200)
		s.MaxUpload = 200 << 20
	})
	s.flood(1, rooms+1, "warm")
	s.Eventually(patience, "all rooms", func() bool { return len(s.sends()) == rooms+1 })
	quiet, _ := s.behind("quiet", func() bool { return false })
	before, files := s.peak(true), s.hs.MediaCount()
	var picture bytes.Buffer
	require.NoError(b, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 20, 20))))
	data := append(picture.Bytes(), make([]byte, size-picture.Len())...)
	began := time.Now()
	for n := range rooms {
		_, err := s.server.Person("carol").SendPhoto(key(n), fmt.Sprint("large ", n), "large.png", data)
		require.NoError(b, err)
	}
	there := func() bool { return s.hs.MediaCount()-files == rooms }
	busy, texts := s.behind("busy", there)
	s.Eventually(patience, "the pictures", there)
	b.ReportMetric(time.Since(began).Seconds(), "s-for-all")
	b.ReportMetric(float64(texts), "texts-meanwhile")
	b.ReportMetric((s.peak(false)-before)/1024, "MiB-more-at-most")
	b.ReportMetric(quiet, "p50-ms-alone")
	b.ReportMetric(busy, "p50-ms-behind-pictures")
	b.ReportMetric(busy/quiet, "behind:alone")
	b.ReportMetric(0, "ns/op")
}

// behind returns the p50 (ms) of texts in the last room, one after another, fifty or until done, and how many.
func (s *setting) behind(prefix string, done func() bool) (p50 float64, n int) {
	room := s.Alice.WaitRoom("Group 10")
	last := func() string {
		all := s.hs.Messages(room)
		return all[len(all)-1].Content.AsMessage().Body
	}
	var times []time.Duration
	for ; n < 50 && !done(); n++ {
		text := fmt.Sprint(prefix, " ", n)
		began := time.Now()
		s.say(key(10), text)
		s.Eventually(patience, text, func() bool { return last() == text })
		times = append(times, time.Since(began))
	}
	if n > 0 {
		p50, _ = quantiles(times)
	}
	return p50, n
}

// peak is the highest resident memory (KiB) of the bridge since it was last asked with reset, or its start.
func (s *setting) peak(reset bool) float64 {
	s.b.Helper()
	dir := fmt.Sprintf("/proc/%d/", s.Bridge.PID())
	if reset {
		require.NoError(s.b, os.WriteFile(dir+"clear_refs", []byte("5"), 0o600))
	}
	status, err := os.ReadFile(dir + "status")
	require.NoError(s.b, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(s.b, err)
	return kib
}
