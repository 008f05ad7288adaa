package chat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

func TestLinked(t *testing.T) {
	text := func(s string) chat.Segment { return chat.Segment{Kind: chat.SegmentText, Text: s} }
	link := func(url string) chat.Segment { return chat.Segment{Kind: chat.SegmentLink, Text: url, Target: url} }
	for _, c := range []struct {
		name string
		in   chat.Text
		out  chat.Text
	}{
		{"none", chat.Plain("a b"), chat.Plain("a b")},
		{"alone", chat.Plain("https://a.b/c?d=e#f"), chat.Text{link("https://a.b/c?d=e#f")}},
		{"in a sentence", chat.Plain("see (HTTP://a.b/(x)), or http://c.d."), chat.Text{text("see ("), link("HTTP://a.b/(x)"), text("), or "), link("http://c.d"), text(".")}},
		{"only a scheme", chat.Plain("https:// and https://..., then http://a.b"), chat.Text{text("https:// and https://..., then "), link("http://a.b")}},
		{"no URL", chat.Plain("example.com, xhttp://a, ftp://b"), chat.Plain("example.com, xhttp://a, ftp://b")},
		{"lines", chat.Plain("http://a.b\nhttp://c.d"), chat.Text{link("http://a.b"), {Kind: chat.SegmentBreak}, link("http://c.d")}},
		{"style stays", chat.Text{{Kind: chat.SegmentText, Text: "x http://a.b", Bold: true}}, chat.Text{{Kind: chat.SegmentText, Text: "x ", Bold: true}, {Kind: chat.SegmentLink, Text: "http://a.b", Target: "http://a.b", Bold: true}}},
		{"a link stays", chat.Text{{Kind: chat.SegmentLink, Text: "http://a.b", Target: "http://c.d"}}, chat.Text{{Kind: chat.SegmentLink, Text: "http://a.b", Target: "http://c.d"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.out, c.in.Linked())
			require.Equal(t, c.in.String(), c.in.Linked().String(), "nothing is lost")
		})
	}
}
