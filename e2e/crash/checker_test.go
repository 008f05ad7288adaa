package crash

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"
)

func stream(texts ...string) (out []Message) {
	for i, text := range texts {
		out = append(out, Message{Text: text, Author: "bob", ID: "id-" + text, TimeMS: int64(1000 + i)})
	}
	return out
}

// at is a stream of messages that keep the time and id of accepted.
func at(accepted []Message, order ...int) (out []Message) {
	for _, i := range order {
		out = append(out, accepted[i])
	}
	return out
}

func TestChecker(t *testing.T) {
	four := stream("a", "b", "c", "d")
	twice := stream("a", "b", "a") // accepted twice
	optional := stream("a", "b", "c")
	optional[1].Optional = true
	wrong := func(change func(*Message)) []Message {
		out := at(four, 0, 1, 2, 3)
		change(&out[2])
		return out
	}
	absent := stream("a", "b", "c")
	absent[1].OrBy = "ghost of bob"
	by := func(author string) []Message {
		out := at(absent, 0, 1, 2)
		out[1].Author = author
		return out
	}
	for _, test := range []struct {
		name            string
		accepted, shown []Message
		want            []string
	}{
		{"all there", four, four, nil},
		{"nothing accepted", nil, nil, nil},
		{"one lost in the middle", four, at(four, 0, 1, 3), []string{`lost x: "c"`}},
		{"the last one lost", four, at(four, 0, 1, 2), []string{`lost x: "d"`}},
		{"all lost", four[:2], nil, []string{`lost x: "a"`, `lost x: "b"`}},
		{"doubled at once", four, at(four, 0, 1, 1, 2, 3), []string{`doubled x: "b" shown 2 times or more, accepted 1 times`}},
		{"doubled later", four, at(four, 0, 1, 2, 3, 0), []string{`doubled x: "a" shown 2 times or more, accepted 1 times`}},
		{"three times", four, at(four, 0, 1, 2, 3, 3, 3), []string{`doubled x: "d" shown 2 times or more, accepted 1 times`, `doubled x: "d" shown 3 times or more, accepted 1 times`}},
		{"lost and another doubled", four, at(four, 0, 1, 1, 3), []string{`doubled x: "b" shown 2 times or more, accepted 1 times`, `lost x: "c"`}},
		{"two exchanged", four, at(four, 0, 2, 1, 3), []string{`disordered x: "b" comes after "c"`}},
		{"the first one last", four, at(four, 1, 2, 3, 0), []string{`disordered x: "a" comes after "d"`}},
		{"the last one first", four, at(four, 3, 0, 1, 2), []string{`disordered x: "a" comes after "d"`, `disordered x: "b" comes after "d"`, `disordered x: "c" comes after "d"`}},
		{"invented", four, append(at(four, 0, 1, 2, 3), Message{Text: "e", Author: "eve"}), []string{`invented x: "e" by eve`}},
		{"wrong author", four, wrong(func(m *Message) { m.Author = "carol" }), []string{`wrong author x: "c" is by bob, shown as by carol`}},
		{"wrong time", four, wrong(func(m *Message) { m.TimeMS++ }), []string{`wrong time x: "c" is of 1002, shown as of 1003`}},
		{"wrong id", four, wrong(func(m *Message) { m.ID = "id-b" }), []string{`wrong id x: "c" is id-c, shown as id-b`}},
		{"an end without ids", four, wrong(func(m *Message) { m.ID = "" }), nil},
		{"accepted twice, shown twice", twice, twice, nil},
		{"accepted twice, shown once", twice, at(twice, 0, 1), []string{`lost x: "a"`}},
		{"accepted twice, shown three times", twice, at(twice, 0, 1, 2, 2), []string{`doubled x: "a" shown 3 times or more, accepted 2 times`}},
		{"unconfirmed and there", optional, optional, nil},
		{"unconfirmed and not there", optional, at(optional, 0, 2), nil},
		{"unconfirmed and twice", optional, at(optional, 0, 1, 1, 2), []string{`doubled x: "b" shown 2 times or more, accepted 1 times`}},
		{"by one author or the other", absent, by("ghost of bob"), nil},
		{"by neither", absent, by("ghost of carol"), []string{`wrong author x: "b" is by bob, shown as by ghost of carol`}},
		{"only there by one author or the other", absent, func() []Message {
			out := by("bob")
			out[2].Author = "ghost of bob"
			return out
		}(), []string{`wrong author x: "c" is by bob, shown as by ghost of bob`}},
		{"what was said while an account was out, lost", absent, at(absent, 0, 2), []string{`lost x: "b"`}},
		{"a stream that is shown again from the middle", four, at(four, 0, 1, 2, 1, 2, 3), []string{`doubled x: "b" shown 2 times or more, accepted 1 times`, `doubled x: "c" shown 2 times or more, accepted 1 times`}},
		{"a gap that is filled after what came later", four, at(four, 0, 3, 1, 2), []string{`disordered x: "b" comes after "d"`, `disordered x: "c" comes after "d"`}},
		{"unconfirmed and too late", optional, at(optional, 0, 2, 1), []string{`disordered x: "b" comes after "c"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, p := range Compare("x", test.accepted, test.shown) {
				got = append(got, p.String())
			}
			require.Equal(t, test.want, got)
		})
	}
}

func marks(list ...any) (out []Mark) {
	for i := 0; i < len(list); i += 2 {
		out = append(out, Mark{Subject: list[i].(string), Value: int64(list[i+1].(int))})
	}
	return out
}

func TestCheckerOfWatermarks(t *testing.T) {
	require.Empty(t, Forward("x", marks("bob", 1, "carol", 9, "bob", 1, "bob", 5, "carol", 9)))
	found := Forward("x", marks("bob", 5, "bob", 4, "bob", 4, "bob", 6, "bob", 5))
	require.Len(t, found, 2, "every step back once")
	require.Equal(t, `watermark moved back x: "bob" from 5 to 4`, found[0].String())
	require.Equal(t, `watermark moved back x: "bob" from 6 to 5`, found[1].String())
}

func TestCheckerOfWatermarksThatAreForgotten(t *testing.T) {
	list := marks("bob", 5, "", 0, "bob", 4, "bob", 6)
	require.Empty(t, Forward("x", list))
	require.Equal(t, 1, SetBack(list))
	list = marks("bob", 5, "carol", 9, "", 0, "bob", 4, "bob", 3, "carol", 9)
	found := Forward("x", list)
	require.Len(t, found, 1, "a step back after that is none of it")
	require.Equal(t, `watermark moved back x: "bob" from 4 to 3`, found[0].String())
	require.Equal(t, 1, SetBack(list))
	require.Zero(t, SetBack(marks("bob", 5, "bob", 4, "", 0, "bob", 5)))
}

func TestSplitAndSummary(t *testing.T) {
	all := Compare("x", stream("a", "b", "c"), at(stream("a", "b", "c"), 0, 0))
	rest, taken := Split(all, func(p Problem) bool { return p.Kind == Lost && p.What != "c" })
	require.Len(t, taken, 1)
	require.Equal(t, "b", taken[0].What)
	require.Equal(t, "1 doubled, 1 lost", Summary(rest))
	require.Contains(t, Summary(nil), "nothing lost")
}

func TestAcknowledgedEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(path, []byte(`{"kind":"pending","data":{"Service":"hangouts","Txn":{"ID":7,"Body":{"events":[{"event_id":"$a"},{"event_id":"$b"}]}}}}
{"kind":"event","data":{"whatever":1}}
{"kind":"pending","data":{"Service":"hangouts","Txn":{"ID":8,"Body":{"events":[{"event_id":"$c"}]}}}}
{"kind":"pending","data":{"Service":"hangouts","Txn":{"ID":9,"Body":{"events":[{"event_id":"$d"}]}}}}
{"kind":"sent","data":{"Service":"hangouts","ID":8}}
{"kind":"sent","data":{"Service":"hangouts","ID":7}}
{"kind":"sent","data":{"Serv`), 0o600))
	got, err := journalAcknowledged(path)
	require.NoError(t, err)
	require.Equal(t, []id.EventID{"$c", "$a", "$b"}, got, "what was sent and not answered is not acknowledged")
}

func TestPlan(t *testing.T) {
	require.Equal(t, plan(7, 20, kills, others), plan(7, 20, kills, others), "a seed says everything")
	require.NotEqual(t, plan(7, 20, kills, others), plan(8, 20, kills, others))
	count := map[string]int{}
	for _, s := range plan(7, 2000, kills, others) {
		count[s.fault]++
	}
	for _, f := range append(slices.Clone(kills), others...) {
		require.NotZero(t, count[f.name], f.name)
	}
	clear(count)
	killing := 0
	for _, s := range plan(7, 3, kills, others, thorough...) {
		count[s.fault]++
		if isKill(s.fault) {
			killing++
		}
	}
	require.Equal(t, 3, killing)
	for _, name := range thorough {
		require.NotZero(t, count[name], name)
	}
}
