package crash

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
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

func TestScript(t *testing.T) {
	acts := func(seed uint64, src source, r rates) (out []act) {
		for s := newScript(seed, src, r); s.n < 1000; {
			out = append(out, s.next())
		}
		return out
	}
	for _, src := range sources {
		list := acts(7, src, rates{10, 50})
		require.Equal(t, list, acts(7, src, rates{10, 50}), "a seed says everything")
		require.NotEqual(t, list, acts(8, src, rates{10, 50}))
		count, in := map[deed]int{}, map[string]bool{}
		for _, a := range list {
			count[a.deed]++
			require.Contains(t, src.where, a.conversation)
			require.Equal(t, src.name, sourceOf(a.what(src)).name)
			if a.deed == renames || a.deed == moves {
				require.NotEqual(t, "direct", a.conversation)
			}
			if a.deed == moves {
				require.NotEqual(t, in[a.conversation], a.in, "in turns")
				in[a.conversation] = a.in
				require.Equal(t, src.moves, movesOf(a.what(src)))
			}
		}
		if src.more == nil {
			require.Equal(t, map[deed]int{says: 1000}, count)
			continue
		}
		require.InDelta(t, 100, count[shows], 40)
		require.InDelta(t, 20, count[renames]+count[moves], 15)
		require.Equal(t, src.moves != "", count[moves] > 0)
		clear(count)
		for _, a := range acts(7, src, rates{}) {
			count[a.deed]++
		}
		require.Equal(t, map[deed]int{says: 1000}, count)
	}
}

func TestPicturesByName(t *testing.T) {
	w := &world{seed: 1, pictures: map[string]string{}, photos: map[string]string{}}
	a := act{deed: shows, text: "mx 00001", size: 3000}
	data := w.draw(a)
	require.Equal(t, data, w.draw(a))
	require.NotEqual(t, data, w.draw(act{deed: shows, text: "mx 00002", size: 3000}))
	require.InDelta(t, 3000, len(data), 300)
	w.photos["61"], w.photos["62"] = digest(data), digest([]byte("damaged"))
	for text, want := range map[string]string{
		"mx 00001": "mx 00001", "\n/photos/61/picture.png": "mx 00001 picture", "mx 00001\n/photos/61/picture.png": "mx 00001 picture captioned mx 00001",
		"mx 00001\n[photo] http://127.0.0.1:1/photos/61/picture.png": "mx 00001 picture captioned mx 00001", "[photo] http://127.0.0.1:1/photos/61/picture.png": "mx 00001 picture",
		"[photo] http://127.0.0.1:1/photos/62/picture.png": "unknown picture " + digest([]byte("damaged")),
	} {
		require.Equal(t, want, w.photographed(text), text)
	}
}

func TestChannelsOnIRC(t *testing.T) {
	c := newChannels()
	for _, raw := range []string{
		":alice!a@b JOIN #Trio", ":s 332 alice #Trio :Trio", ":s 353 alice = #Trio :alice @Bob_Baker Frank_Fuller", "@msgid=1 :Bob_Baker!b@b TOPIC #Trio :new",
		"@msgid=2 :Bob_Baker!b@b KICK #Trio Frank_Fuller :removed", ":Gina_Grant!g@g JOIN #Trio", "@msgid=3 :Bob_Baker!b@b PRIVMSG #Trio :caption", ":Bob_Baker!b@b PRIVMSG #Trio :[photo] x",
		"@msgid=3 :Bob_Baker!b@b PRIVMSG #Trio :caption", ":Bob_Baker!b@b PRIVMSG #Trio :[photo] x", "@msgid=1 :s NOTICE #Trio :Bob_Baker renamed the conversation",
	} {
		c.heard(ircclient.ParseLine(raw))
	}
	require.Equal(t, "new", c.topics["#Trio"])
	require.Equal(t, []string{"Bob_Baker", "Gina_Grant"}, c.nicks["#Trio"])
	require.Len(t, c.lines, 3, "each msgid once")
	require.Equal(t, []string{"caption", "[photo] x"}, c.byID["3"].texts)
	require.Equal(t, "NOTICE", c.byID["1"].Command)
	c.heard(ircclient.ParseLine(":alice!a@b JOIN #Trio"))
	require.Empty(t, c.nicks["#Trio"], "a new connection knows no nicks")
}
