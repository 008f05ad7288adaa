package hangups_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/hangups"
)

// textParts are what random texts are made of: all of the grammar, and what stands around it.
var textParts = strings.Split("***|___|**|__|*|_|```|``|`|~~|==|~|=|[|](|)|]|(|<b>|</b>|<strong>|</strong>|<i>|</i>|<em>|</em>|<s>|</s>|"+
	"<strike>|</strike>|<del>|</del>|<u>|</u>|<ins>|</ins>|<mark>|</mark>|<pre>|</pre>|<B>|</B>|<a href=\"|<a href='|\">|'>|</a>|"+
	"<img src='|'/>|\" />|<br>|<br/>|<BR />|<br|>|<|\n|\r\n|\r|\t| |  |   |\u00a0|\u2028|\\|\\*|\\_|\\[|\\`|http://|https://|HTTP://|"+
	"www.|example.com|EXAMPLE.org|a.b.co|x-y.de|localhost|127.0.0.1|1.2.3.4|999.1.1.1|:80|:|:8080|@|/|//|/a|/a(b)|/(a(b)c)|/b?c=d&e#f|"+
	"/x.|.|..|,|;|!|?|-|'|\"|«|»|“|”|‘|’|´|{|}|&|#|+||||mailto:x|ftp://h/|irc:/x|a|b|Z|7|42|word|two words|é|ß|ſ|\u212a|İ|ı|<ſ>|</ſ>|<İ>|</ı>|httpſ://|<ı>|<Ins>|"+
	"[text](example.com)|[a](irc:/b)|[](x)|<a href=\"a.b/c\">t</a>|<a  href='x'  >t</A>|<img src='a.b' />|<IMG src=\"x y\">|😀|👩‍👩‍👧|漢字|٣|½|_x|x_y|2*3|note|later", "|")

func randomTexts(seed uint64, n int) []string {
	rng := rand.New(rand.NewPCG(seed, 1))
	texts := []string{"**(note)* later", "``!a`", "__!_"}
	for len(texts) < n {
		var b strings.Builder
		for range 1 + rng.IntN(14) {
			b.WriteString(textParts[rng.IntN(len(textParts))])
		}
		texts = append(texts, b.String())
	}
	return texts
}

// TestTextToSegments compares the segments of random texts with those of hangups. TEXTS and SEED choose other ones.
func TestTextToSegments(t *testing.T) {
	n, seed := 20_000, uint64(1)
	if given := os.Getenv("TEXTS"); given != "" {
		var err error
		n, err = strconv.Atoi(given)
		require.NoError(t, err)
		seed = uint64(time.Now().UnixNano())
	}
	if given := os.Getenv("SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("%d texts, SEED=%d", n, seed)
	python := hangups.Python(t)
	texts := randomTexts(seed, n)
	var input bytes.Buffer
	for _, text := range texts {
		line, err := json.Marshal(text)
		require.NoError(t, err)
		input.Write(append(line, '\n'))
	}
	cmd := exec.Command(python, "segments.py")
	cmd.Env = append(hangups.Environ(), "PYTHONIOENCODING=utf-8")
	cmd.Stdin, cmd.Stderr = &input, os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	answers := json.NewDecoder(bytes.NewReader(out))
	different := 0
	for _, text := range texts {
		var theirs [][]any
		require.NoError(t, answers.Decode(&theirs))
		own := ownSegments(text)
		if reflect.DeepEqual(own, theirs) {
			continue
		}
		if different++; different <= 20 {
			t.Logf("%q\n own     %q\n hangups %q", text, own, theirs)
		}
	}
	require.Zero(t, different, "texts whose segments differ")
}

// ownSegments is what segments.py writes for a text, decoded.
func ownSegments(text string) [][]any {
	list := [][]any{}
	for _, s := range hangouts.ParseText(text) {
		f := hangouts.SegmentFormat(s)
		list = append(list, []any{
			float64(s.GetType()), s.GetText(), f.Bold, f.Italic, f.Strikethrough, f.Underline, s.GetLinkData().GetLinkTarget(),
		})
	}
	return list
}
