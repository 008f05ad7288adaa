package crash

import (
	"slices"
	"strings"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
)

// channels is what a client on IRC sees: the lines that have a msgid, each once where it first came, and the channels as they
// are now.
type channels struct {
	lines  []*ircLine
	byID   map[string]*ircLine
	latest *ircLine
	topics map[string]string
	nicks  map[string][]string
}

// ircLine is what has one msgid.
type ircLine struct {
	ircclient.Line
	texts []string // one for each line that it consists of
}

func newChannels() channels {
	return channels{byID: map[string]*ircLine{}, topics: map[string]string{}, nicks: map[string][]string{}}
}

// heard takes a line.
func (c *channels) heard(l ircclient.Line) {
	where, own := l.Param(0), l.Nick() == ownNick
	switch l.Command {
	case "332":
		c.topics[l.Param(1)] = l.Last()
	case "353":
		for nick := range strings.FieldsSeq(l.Last()) {
			c.joins(l.Param(2), strings.TrimLeft(nick, "@+"))
		}
	case "TOPIC":
		c.topics[where] = l.Last()
	case "JOIN":
		if own { // a new connection
			delete(c.topics, where)
			delete(c.nicks, where)
		}
		c.joins(where, l.Nick())
	case "PART":
		c.leaves(where, l.Nick())
	case "KICK":
		c.leaves(where, l.Param(1))
	}
	switch l.Command {
	case "PRIVMSG", "NOTICE", "TOPIC", "KICK", "PART":
		c.keep(l)
	}
}

// ownNick is Alice's.
const ownNick = "alice"

func (c *channels) joins(channel, nick string) {
	if nick != ownNick && !slices.Contains(c.nicks[channel], nick) {
		c.nicks[channel] = append(c.nicks[channel], nick)
	}
}

func (c *channels) leaves(channel, nick string) {
	c.nicks[channel] = slices.DeleteFunc(c.nicks[channel], func(n string) bool { return n == nick })
}

// keep keeps a line with a msgid. Further lines of a message have none; a repeated message replaces the first.
func (c *channels) keep(l ircclient.Line) {
	msgid := l.Tags["msgid"]
	switch {
	case msgid == "" && l.Command == "PRIVMSG" && c.latest != nil:
		c.latest.texts = append(c.latest.texts, l.Last())
		return
	case msgid == "":
		return
	}
	if c.latest = c.byID[msgid]; c.latest == nil {
		c.latest = &ircLine{Line: l}
		c.byID[msgid] = c.latest
		c.lines = append(c.lines, c.latest)
	}
	c.latest.Line, c.latest.texts = l, []string{l.Last()}
}
