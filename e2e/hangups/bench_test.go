package hangups_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
	"github.com/hangouts-bridge/hangouts-bridge/internal/pblitetest"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/hangups"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
)

// BenchmarkDecode decodes a push with pblite, and says how many times faster that is than protojson
// with the same message and than hangups' decoder with the same bytes, all in one run: with the
// protobuf runtime that hangups gets, which is Python, and with the compiled one (upb).
func BenchmarkDecode(b *testing.B) {
	runtimes := []struct{ metric, python string }{{"x-hangups", hangups.Python(b)}, {"x-hangups-upb", fastPython(b)}}
	for _, push := range pblitetest.Pushes() {
		b.Run(push.Name, func(b *testing.B) {
			decoded := &pb.BatchUpdate{}
			_, err := pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(push.Text, decoded)
			require.NoError(b, err)
			own := func() {
				_, _ = pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(push.Text, &pb.BatchUpdate{})
			}
			text, err := protojson.MarshalOptions{AllowPartial: true}.Marshal(decoded)
			require.NoError(b, err)
			ratio := pblitetest.Ratio(own, func() {
				_ = protojson.UnmarshalOptions{AllowPartial: true}.Unmarshal(text, &pb.BatchUpdate{})
			})
			theirs := make([]float64, len(runtimes))
			for i, r := range runtimes {
				theirs[i] = hangupsDecode(b, r.python, hangupsFolder(b, runtimes[0].python), push.Text)
			}
			best := pblitetest.Best(own)
			b.ReportAllocs()
			b.SetBytes(int64(len(push.Text)))
			for b.Loop() {
				own()
			}
			b.ReportMetric(ratio, "x-protojson")
			for i, r := range runtimes {
				if theirs[i] > 0 {
					b.ReportMetric(theirs[i]/best, r.metric)
				}
			}
			b.ReportMetric(float64(len(push.Text))/best*1000, "best-MB/s")
		})
	}
}

// fastPython is the interpreter of an environment with the compiled runtime of protobuf, which
// hangups' own requirements rule out (they ask for protobuf below 4), and nothing else.
func fastPython(b *testing.B) string {
	b.Helper()
	return need.Venv(b, "hangups-upb-venv", "protobuf==4.25.8")
}

// hangupsFolder is where hangups' files lie.
func hangupsFolder(b *testing.B, python string) string {
	const script = `import importlib.util; print(importlib.util.find_spec("hangups").submodule_search_locations[0])`
	out, err := exec.Command(python, "-c", script).Output()
	require.NoError(b, err)
	return strings.TrimSpace(string(out))
}

// hangupsDecode is hangups' best time in ns, 0 when it fails on the bytes.
func hangupsDecode(b *testing.B, python, folder string, text []byte) float64 {
	name := filepath.Join(b.TempDir(), "push.json")
	require.NoError(b, os.WriteFile(name, text, 0o600))
	cmd := exec.Command(python, "bench.py", folder, name)
	cmd.Env = hangups.Environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		b.Logf("hangups does not decode this push: %s", lines[len(lines)-1])
		return 0
	}
	var ns float64
	var updates int
	var runtime string
	_, err = fmt.Sscan(string(out), &ns, &updates, &runtime)
	require.NoError(b, err, string(out))
	b.Logf("hangups: %.0f ns, %d updates, protobuf runtime %s", ns, updates, runtime)
	return ns
}
