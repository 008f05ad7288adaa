package ircwire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     *Line // nil = ErrMalformed
	}{
		{"plain", "PRIVMSG #c :hello  world", &Line{Command: "PRIVMSG", Params: []string{"#c", "hello  world"}}},
		{"lower case", "privmsg #c hi", &Line{Command: "PRIVMSG", Params: []string{"#c", "hi"}}},
		{"runs of spaces", "  USER  u 0   *  :Real Name", &Line{Command: "USER", Params: []string{"u", "0", "*", "Real Name"}}},
		{"tags", `@label=a\sb;+typing=active TAGMSG #c`, &Line{Command: "TAGMSG", Params: []string{"#c"}, Tags: map[string]string{"label": "a b", "+typing": "active"}}},
		{"tags and spaces", "@a=b   PING x", &Line{Command: "PING", Params: []string{"x"}, Tags: map[string]string{"a": "b"}}},
		{"source", ":bob!b@h PING x", &Line{Source: "bob!b@h", Command: "PING", Params: []string{"x"}}},
		{"latin 1", "PRIVMSG #c :h\xe4llo", &Line{Command: "PRIVMSG", Params: []string{"#c", "hällo"}, NotUTF8: true}},
		{"empty trailing", "JOIN :", &Line{Command: "JOIN", Params: []string{""}}},
		{"tag without rest", "@a ", nil},
		{"tag and blanks", "@a     ", nil},
		{"only a tag", "@a", nil},
		{"only @", "@ ", nil},
		{"source only", ":x", nil},
		{"source and blank", ":x ", nil},
		{"two tag sections", "@a @b PING x", nil},
		{"tab in command", "privmsg\t#c", nil},
		{"command not ASCII", "été x", nil},
		{"mixed command", "PR1VMSG x", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.in))
			if tt.want == nil {
				require.ErrorIs(t, err, ErrMalformed)
				return
			}
			require.NoError(t, err)
			if tt.want.Tags == nil {
				tt.want.Tags = map[string]string{}
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestReaderSurvivesHostileInput(t *testing.T) {
	ok := "PING next\r\n"
	tests := []struct {
		name, in string
		errs     []error // before PING next
	}{
		{"100 kB line", strings.Repeat("x", 100_000) + "\r\n", []error{ErrTooLong}},
		{"body one byte over", "PING " + strings.Repeat("x", MaxBody-4) + "\r\n", []error{ErrTooLong}},
		{"tags one byte over", "@" + strings.Repeat("t", MaxClientTags-1) + " PING x\r\n", []error{ErrTooLong}},
		{"parser panic", "@a \r\n", []error{ErrMalformed}},
		{"source only", ":x\r\n", []error{ErrMalformed}},
		{"empty lines", "\r\n\n \r\n\x00\r\n", nil},
		{"line of CR", "\r\r\r\r\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(tt.in+ok), MaxClientTags)
			for _, want := range tt.errs {
				_, err := r.Next()
				require.ErrorIs(t, err, want)
			}
			line, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, "PING", line.Command)
			require.Equal(t, "next", line.Param(0))
			_, err = r.Next()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

func TestReaderLimitsAreExact(t *testing.T) {
	body := "PING " + strings.Repeat("x", MaxBody-5)
	tags := "@" + strings.Repeat("t", MaxClientTags-2) + " "
	line, err := NewReader(strings.NewReader(tags+body+"\r\n"), MaxClientTags).Next()
	require.NoError(t, err)
	require.Len(t, line.Param(0), MaxBody-5)
	require.Len(t, line.Tags, 1)
}

func TestReaderRemovesNULAndCR(t *testing.T) {
	r := NewReader(strings.NewReader("PRIVMSG #c :a\x00b\rQUIT\r\n"), MaxClientTags)
	line, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, []string{"#c", "abQUIT"}, line.Params)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
}

func TestReaderGivesUpOnEndlessLine(t *testing.T) {
	endless := io.LimitReader(zeros{}, 10<<20)
	_, err := NewReader(endless, MaxClientTags).Next()
	require.ErrorIs(t, err, ErrEndless)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestEncode(t *testing.T) {
	tests := []struct {
		name string
		in   Message
		want string
	}{
		{"text gets its colon", New("a!b@c", "PRIVMSG", "#c", "hi"), ":a!b@c PRIVMSG #c :hi\r\n"},
		{"words do not", New("a!b@c", "JOIN", "#c"), ":a!b@c JOIN #c\r\n"},
		{"numeric", New("srv.x", "366", "me", "#c", "End of NAMES"), ":srv.x 366 me #c :End of NAMES\r\n"},
		{"bare numeric", New("srv.x", "324", "me", "#c", "+nt"), ":srv.x 324 me #c +nt\r\n"},
		{"line ends in text", New("s.x", "TOPIC", "#c", "a\r\nPRIVMSG x :y"), ":s.x TOPIC #c :a  PRIVMSG x :y\r\n"},
		{"line ends in middle", New("s.x", "NOTICE", "#c\r\nQUIT", "t"), ":s.x NOTICE #cQUIT :t\r\n"},
		{"line ends in source", New("a\r\nQUIT", "NOTICE", "#c", "t"), ":aQUIT NOTICE #c :t\r\n"},
		{"NUL", New("s.x", "NOTICE", "#\x00c", "t\x00t"), ":s.x NOTICE #c :tt\r\n"},
		{"middle with spaces", New("s.x", "KICK", "#a b", "c d", "e f"), ":s.x KICK #ab cd :e f\r\n"},
		{"middle with colon", New("s.x", "311", "me", ":x", "::y", "z"), ":s.x 311 me x y :z\r\n"},
		{"empty middle", New("s.x", "311", "", "x", "z"), ":s.x 311 * x :z\r\n"},
		{"bad command", New("s.x", "A\r\nB", "x"), ":s.x NOTICE :x\r\n"},
		{"tags", New("s.x", "NOTICE", "x", "y").With("time", "1;2 3\\\r\n").With("b d\n=;", ""), `@time=1\:2\s3\\\r\n;bd :s.x NOTICE x :y` + "\r\n"},
		{"C0 removed", New("s.x", "NOTICE", "x", "a\x07b\x1bc\x02d\x7f"), ":s.x NOTICE x :abc\x02d\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, string(tt.in.Encode())) })
	}
}

func TestEncodeCutsBetweenCodePoints(t *testing.T) {
	line := New("s.x", "NOTICE", "x", strings.Repeat("é", 600)).Encode()
	require.LessOrEqual(t, len(line), MaxBody+2)
	require.GreaterOrEqual(t, len(line), MaxBody+1)
	require.True(t, utf8.Valid(line))
}

func TestEncodeDropsTagsOverTheLimit(t *testing.T) {
	line := New("s.x", "NOTICE", "x", "y").With("time", "now").With("big", strings.Repeat("v", 5000)).With("+c", "d").Encode()
	require.Equal(t, "@time=now;+c=d :s.x NOTICE x :y\r\n", string(line))
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{"@a \r\n", "@ \r\n", "@a=b PING x\r\n", ":x\r\n", "PRIVMSG #c :a\x00b\rc\r\n", "étéx y\r\n",
		strings.Repeat("x", 9000) + "\r\nPING a\r\n", "@a;b=\\: :s!u@h PRIVMSG #c :x\xff\r\n", "A B C D E F G H I J K L M N O P Q R\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(bytes.NewReader(in), MaxClientTags)
		for range len(in) + 2 {
			line, err := r.Next()
			if errors.Is(err, ErrTooLong) || errors.Is(err, ErrMalformed) {
				continue
			}
			if err != nil {
				return
			}
			if !validCommand(line.Command) || len(line.Params) > maxParams {
				t.Fatalf("bad line %+v", line)
			}
			for _, p := range line.Params {
				if strings.ContainsAny(p, "\x00\r\n") || !utf8.ValidString(p) {
					t.Fatalf("bad parameter %q", p)
				}
			}
		}
		t.Fatal("the reader does not end")
	})
}

func FuzzEncode(f *testing.F) {
	f.Add("a!b@c", "PRIVMSG", "#c", "text", "key", "value")
	f.Add("a\r\nb", "X\r\n", ":#c d", "\r\nQUIT", "k\n", "v\r\n;")
	f.Add("", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, source, cmd, middle, text, key, value string) {
		m := New(source, cmd, middle, text).With(key, value)
		line := m.Encode()
		body, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if !ok || bytes.ContainsAny(body, "\x00\r\n") || !utf8.Valid(body) {
			t.Fatalf("not one clean line: %q", line)
		}
		if body[0] == '@' {
			_, body, _ = bytes.Cut(body, []byte(" "))
		}
		if len(body) > MaxBody {
			t.Fatalf("%d bytes", len(body))
		}
		if len(source)+len(cmd)+len(middle) > 200 {
			return // cut: parameters may be missing
		}
		got, err := Parse(line[:len(line)-2])
		if err != nil {
			t.Fatalf("%q does not parse: %v", line, err)
		}
		if len(got.Params) != 2 || got.Params[0] != Middle(middle) {
			t.Fatalf("%q gives parameters %q", line, got.Params)
		}
	})
}
