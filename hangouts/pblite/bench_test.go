package pblite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/pblite"
	"github.com/hangouts-bridge/hangouts-bridge/internal/pblitetest"
)

// BenchmarkUnmarshal decodes pushes, and says how many times faster that is than protojson with
// the same message, measured in the same run.
func BenchmarkUnmarshal(b *testing.B) {
	for _, push := range pblitetest.Pushes() {
		b.Run(push.Name, func(b *testing.B) {
			decoded := &pb.BatchUpdate{}
			_, err := pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(push.Text, decoded)
			require.NoError(b, err)
			other, err := protojson.MarshalOptions{AllowPartial: true}.Marshal(decoded)
			require.NoError(b, err)
			own := func() {
				_, _ = pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(push.Text, &pb.BatchUpdate{})
			}
			ratio := pblitetest.Ratio(own, func() {
				_ = protojson.UnmarshalOptions{AllowPartial: true}.Unmarshal(other, &pb.BatchUpdate{})
			})
			run(b, own, len(push.Text), ratio)
		})
	}
}

// BenchmarkMarshal is the same for encoding.
func BenchmarkMarshal(b *testing.B) {
	for _, push := range pblitetest.Pushes() {
		b.Run(push.Name, func(b *testing.B) {
			m := &pb.BatchUpdate{}
			_, err := pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(push.Text, m)
			require.NoError(b, err)
			text, err := pblite.MarshalOptions{Tag: "cbu"}.Marshal(m)
			require.NoError(b, err)
			own := func() { _, _ = pblite.MarshalOptions{Tag: "cbu"}.Marshal(m) }
			ratio := pblitetest.Ratio(own, func() { _, _ = protojson.MarshalOptions{AllowPartial: true}.Marshal(m) })
			run(b, own, len(text), ratio)
		})
	}
}

func run(b *testing.B, f func(), size int, ratio float64) {
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		f()
	}
	b.ReportMetric(ratio, "x-protojson")
	b.ReportMetric(float64(size)/pblitetest.Best(f)*1000, "best-MB/s")
}

// TestPushes: what the benchmarks decode is what it says.
func TestPushes(t *testing.T) {
	for _, push := range pblitetest.Pushes() {
		var m pb.BatchUpdate
		warnings, err := pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(push.Text, &m)
		require.NoError(t, err, push.Name)
		require.Equal(t, push.Name == "hostile", warnings.Count > 0, "%s: %v", push.Name, warnings)
		require.NotEmpty(t, m.GetStateUpdate())
		last := m.GetStateUpdate()[len(m.GetStateUpdate())-1]
		require.NotEmpty(t, last.GetEventNotification().GetEvent().GetEventId(), fmt.Sprint(push.Name))
		if push.Name != "hostile" {
			again, err := pblite.MarshalOptions{Tag: "cbu"}.Marshal(&m)
			require.NoError(t, err)
			var back pb.BatchUpdate
			_, err = pblite.UnmarshalOptions{Tag: pblite.SkipTag}.Unmarshal(again, &back)
			require.NoError(t, err)
			require.True(t, proto.Equal(&m, &back))
		}
	}
	require.Less(t, 100_000, len(pblitetest.Pushes()[1].Text))
	require.Less(t, len(strings.TrimSpace(string(pblitetest.Pushes()[0].Text))), 3_000)
}
