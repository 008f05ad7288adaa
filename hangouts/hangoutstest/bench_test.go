package hangoutstest

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"
)

func testHash(t, sapisid, origin string) string {
	sum := sha1.Sum([]byte(t + " " + sapisid + " " + origin))
	return hex.EncodeToString(sum[:])
}

// BenchmarkSend measures a message in a group of four with two subscribed clients that
// nobody reads from, with and without a state file.
func BenchmarkSend(b *testing.B) {
	for _, file := range []string{"", "state"} {
		b.Run(fmt.Sprintf("state=%v", file != ""), func(b *testing.B) {
			opts := Options{Configure: func(s *Settings) { s.QueueLimit = 1 << 30 }}
			if file != "" {
				opts.StateFile = filepath.Join(b.TempDir(), file)
			}
			s := New(opts)
			defer s.Close()
			s.mu.Lock()
			for _, p := range s.world.accounts() {
				ss := s.newSessionLocked(p, pictures{})
				ss.clientIDSent = true
				s.subscribeServicesLocked(ss, []string{serviceBabel}, false)
			}
			s.mu.Unlock()
			carol := s.Person("carol")
			b.ReportAllocs()
			for b.Loop() {
				if _, err := carol.Send("team", "a message of ordinary length, with a few words"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
