package classic

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

func TestRedirectsAreUnwrapped(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"q", "https://www.google.com/url?q=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d&sa=D&ust=1&usg=x", "https://example.com/a?b=c&d"},
		{"url", "http://google.com/url?sa=t&url=http%3A%2F%2Fexample.com%2F", "http://example.com/"},
		{"another page of Google", "https://www.google.com/search?q=https://example.com", "https://www.google.com/search?q=https://example.com"},
		{"another host", "https://www.google.com.evil.example/url?q=https://example.com", "https://www.google.com.evil.example/url?q=https://example.com"},
		{"no target", "https://www.google.com/url?q=words", "https://www.google.com/url?q=words"},
		{"dangerous target", "https://www.google.com/url?q=javascript:alert(1)", "https://www.google.com/url?q=javascript:alert(1)"},
		{"not a URL", "http://%zz", "http://%zz"},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.out, unwrap(c.in)) })
	}
	wrapped := "https://www.google.com/url?q=https://example.com/"
	segment := &pb.Segment{
		Type: pb.SegmentType_SEGMENT_TYPE_LINK.Enum(), Text: proto.String("https://example.com/"), LinkData: &pb.LinkData{LinkTarget: &wrapped},
	}
	require.Equal(t, chat.Text{{Kind: chat.SegmentLink, Text: "https://example.com/", Target: "https://example.com/"}}, segments(segment))
}
