package channel_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCutAtEveryByte: a poll that breaks off at any byte gives the whole chunks before the cut, and
// a new session goes on.
func TestCutAtEveryByte(t *testing.T) {
	chunks := []string{arrays(2, noop), arrays(3, clientID("x")), arrays(4, push("é😀")), arrays(5, noop, push("two"))}
	var body string
	var ends []int
	for _, c := range chunks {
		body += c
		ends = append(ends, len(body))
	}
	polls := len(body)
	s := newScripted(t, func(n int, p *poll) {
		p.start()
		if n > polls {
			p.send(arrays(2, clientID("x"), push("end")))
			p.hold()
			return
		}
		if n > 1 {
			p.send(body[:n-1])
		}
	})
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "payload end")
	r.until(t, 1, "subscribed")
	require.ErrorIs(t, x.end(), context.Canceled)
	want := map[string]int{"payload end": 1}
	for cut := range polls {
		for i, text := range []string{"", "client x", "payload é😀", "payload two"} {
			if text != "" && cut >= ends[i] {
				want[text]++
			}
		}
	}
	want["client x"]++ // of the last poll
	got := map[string]int{}
	for _, w := range r.all() {
		got[w]++
	}
	for word, n := range want {
		require.Equal(t, n, got[word], word)
	}
	creates, _, _ := s.count()
	require.Equal(t, polls+1, creates, "a cut means another session")
}

// TestWrongLengths: a length that does not fit breaks the session, or what it swallows is reported.
func TestWrongLengths(t *testing.T) {
	good := arrays(4, push("good"))
	for name, bad := range map[string]string{
		"too short": "5\n" + good[len("64\n"):], "too long": "200\n" + good[len("64\n"):] + arrays(5, push("swallowed")),
		"none": good[len("64\n"):], "negative": "-1\n", "junk": "<html>", "zero": "0\n", "huge": "99999999999\n", "cuts a surrogate": "1\n😀",
		"invalid UTF-8": "2\n\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t, func(n int, p *poll) {
				first(p)
				if n == 1 {
					p.send(bad)
					p.send(arrays(6, push("behind"))) // makes up what a length too long asks for
					p.end()
					return
				}
				p.send(arrays(4, push("again")))
				p.hold()
			})
			r := newRecorder()
			x := run(t, s, r, nil)
			r.until(t, 1, "payload again")
			require.ErrorIs(t, x.end(), context.Canceled)
			words := fmt.Sprint(r.all())
			require.Regexp(t, "gap|disconnect", words, "the loss is reported")
			require.NotContains(t, words, "payload good")
			require.NotContains(t, words, "swallowed")
		})
	}
}

// TestRepeatedAndReorderedArrays: a repeat is dropped, a late one is not, and a jump is reported. An
// id with other content is no repeat.
func TestRepeatedAndReorderedArrays(t *testing.T) {
	s := newScripted(t, func(_ int, p *poll) {
		first(p)
		p.send(arrays(4, push("a")))
		p.send(arrays(4, push("a")))
		p.send(arrays(6, push("c")))
		p.send(arrays(5, push("b")))
		p.send(arrays(6, push("c"), push("d")))
		p.send(arrays(7, push("other")))
		p.hold()
	})
	r := newRecorder()
	x := run(t, s, r, nil)
	r.until(t, 1, "payload other")
	require.ErrorIs(t, x.end(), context.Canceled)
	var order []string
	for _, w := range r.all() {
		if w != "subscribed" {
			order = append(order, w)
		}
	}
	require.Equal(t, []string{"connect", "client lcsw_S1", "payload a", "payload c", "gap", "payload b", "payload d", "payload other"}, order)
}
