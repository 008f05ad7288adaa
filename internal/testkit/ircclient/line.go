package ircclient

import "strings"

// Line is one line from the server, taken apart.
type Line struct {
	Raw     string
	Tags    map[string]string // values unescaped
	Source  string            // without the colon
	Command string
	Params  []string
}

// Nick is the source up to "!".
func (l Line) Nick() string {
	nick, _, _ := strings.Cut(l.Source, "!")
	return nick
}

// Param returns a parameter, "" when there are not so many.
func (l Line) Param(i int) string {
	if i < len(l.Params) {
		return l.Params[i]
	}
	return ""
}

// Last is the last parameter, "" when there is none.
func (l Line) Last() string { return l.Param(len(l.Params) - 1) }

// Is says whether the line is this command with these first parameters; "*" fits every parameter that is there.
func (l Line) Is(command string, params ...string) bool {
	if l.Command != command || len(params) > len(l.Params) {
		return false
	}
	for i, want := range params {
		if want != "*" && want != l.Params[i] {
			return false
		}
	}
	return true
}

var tagValue = strings.NewReplacer(`\:`, ";", `\s`, " ", `\\`, `\`, `\r`, "\r", `\n`, "\n")

// ParseLine takes a line apart. It is lenient: what is missing stays empty.
func ParseLine(raw string) Line {
	line := Line{Raw: raw, Tags: map[string]string{}}
	rest := raw
	if tags, found := strings.CutPrefix(rest, "@"); found {
		tags, rest, _ = strings.Cut(tags, " ")
		for tag := range strings.SplitSeq(tags, ";") {
			key, value, _ := strings.Cut(tag, "=")
			line.Tags[key] = tagValue.Replace(value)
		}
		rest = strings.TrimLeft(rest, " ")
	}
	if source, found := strings.CutPrefix(rest, ":"); found {
		line.Source, rest, _ = strings.Cut(source, " ")
		rest = strings.TrimLeft(rest, " ")
	}
	rest, last, hasLast := strings.Cut(rest, " :")
	fields := strings.Fields(rest)
	if len(fields) > 0 {
		line.Command, line.Params = fields[0], fields[1:]
	}
	if hasLast {
		line.Params = append(line.Params, last)
	}
	return line
}
