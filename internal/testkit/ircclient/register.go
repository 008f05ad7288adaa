package ircclient

import (
	"encoding/base64"
	"strings"
)

// Login says how to register.
type Login struct {
	Nick     string
	Password string   // sent with PASS, unless User is set
	User     string   // account name for SASL PLAIN with Password
	Caps     []string // to request; those that the server does not offer are left out, "sasl" is added when needed
}

// Register goes from connecting to the end of the welcome: capabilities, SASL or PASS, NICK, USER. It returns the 001.
// A refusal fails the test; to test refusals, send the lines with Send.
func (c *Client) Register(login Login) Line {
	c.t.Helper()
	c.nick = login.Nick
	caps := login.Caps
	if login.User != "" {
		caps = append([]string{"sasl"}, caps...)
	}
	if login.User == "" && login.Password != "" {
		c.Send("PASS :%s", login.Password)
	}
	if len(caps) > 0 {
		c.Send("CAP LS 302")
	}
	c.Send("NICK %s", login.Nick)
	c.Send("USER %s 0 * :%s", login.Nick, login.Nick)
	if len(caps) > 0 {
		c.negotiate(caps)
		if login.User != "" {
			c.authenticate(login.User, login.Password)
		}
		c.Send("CAP END")
	}
	welcome := c.AwaitFunc("the welcome", func(l Line) bool {
		if l.Command == "ERROR" || len(l.Command) == 3 && strings.ContainsAny(l.Command[:1], "45") {
			c.t.Fatalf("registration refused: %s", l.Raw)
		}
		return l.Command == "001"
	})
	c.nick = welcome.Param(0)
	c.AwaitFunc("the end of the message of the day", func(l Line) bool { return l.Command == "376" || l.Command == "422" })
	return welcome
}

// Nick is the nick that the server gave in its welcome.
func (c *Client) Nick() string { return c.nick }

// negotiate requests the capabilities that the server offers.
func (c *Client) negotiate(caps []string) {
	c.t.Helper()
	offered := map[string]bool{}
	for more := true; more; {
		line := c.Await("CAP", "*", "LS")
		more = line.Param(2) == "*"
		for _, token := range strings.Fields(line.Last()) {
			name, _, _ := strings.Cut(token, "=")
			offered[name] = true
		}
	}
	var wanted []string
	for _, name := range caps {
		if offered[name] {
			wanted = append(wanted, name)
		} else if name == "sasl" {
			c.t.Fatal("the server does not offer SASL")
		}
	}
	if len(wanted) == 0 {
		return
	}
	c.Send("CAP REQ :%s", strings.Join(wanted, " "))
	c.Await("CAP", "*", "ACK")
}

func (c *Client) authenticate(user, password string) {
	c.t.Helper()
	c.Send("AUTHENTICATE PLAIN")
	c.Await("AUTHENTICATE", "+")
	text := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	for ; len(text) >= 400; text = text[400:] {
		c.Send("AUTHENTICATE %s", text[:400])
	}
	if text == "" {
		text = "+"
	}
	c.Send("AUTHENTICATE %s", text)
	c.AwaitFunc("the end of SASL", func(l Line) bool {
		if l.Command == "904" || l.Command == "905" || l.Command == "908" {
			c.t.Fatalf("SASL refused: %s", l.Raw)
		}
		return l.Command == "903"
	})
}
