package channel_test

import (
	"strings"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts/channel"
	"github.com/hangouts-bridge/hangouts-bridge/internal/pblitetest"
)

// BenchmarkSplitter cuts a stream of chunks that comes in reads of 64 KiB, as the client reads.
func BenchmarkSplitter(b *testing.B) {
	for _, c := range []struct{ name, payload string }{
		{"typical", strings.Repeat("[[1,null,\\\"-42\\\",null,1577836800]],", 40)},
		{"small", `["noop"]`},
		{"large", strings.Repeat("a batch of many state updates ", 20_000)},
		{"raw UTF-8", strings.Repeat("Grüße 😀 größer ", 80)},
	} {
		one := chunk(c.payload)
		data := []byte(strings.Repeat(one, max(1, 1_000_000/len(one))))
		b.Run(c.name, func(b *testing.B) {
			split := func() {
				var s channel.Splitter
				for rest := data; len(rest) > 0; {
					n := min(len(rest), 64<<10)
					if err := s.Feed(rest[:n], func([]byte) error { return nil }); err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				split()
			}
			b.ReportMetric(float64(len(data))/pblitetest.Best(split)*1000, "best-MB/s")
		})
	}
}
