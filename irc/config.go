package irc

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// Config is the "irc" section of the configuration file. Zero values mean the default.
type Config struct {
	// Listen holds the addresses to listen on, host:port. Default: 127.0.0.1:6667. The
	// connections are not encrypted: for other machines use a tunnel or a TLS proxy.
	Listen []string `yaml:"listen"`
	// ServerName is what the server calls itself; it must contain a dot, which is how
	// clients tell servers from people. Default: hangouts.bridge.
	ServerName string `yaml:"server_name"`
	// NetworkName is what clients call the network. Default: Hangouts.
	NetworkName string `yaml:"network_name"`
	// MOTD is shown after a log-in; lines are separated by line ends.
	MOTD string `yaml:"motd"`
	// SelfMessages says how clients without echo-message see what their owner wrote
	// elsewhere in a query: "raw" as own line (default; HexChat misplaces it), "prefix" as
	// a line of the other person that begins with "<nick>", "off" not at all.
	SelfMessages string `yaml:"self_messages"`
	// Limits bound what one address, one account and one connection may cost.
	Limits Limits `yaml:"limits"`
}

// Limits are the bounds of the gateway. Zero values mean the default.
type Limits struct {
	// Connections and PerAddress count those that have logged in. As many more may be about to;
	// when there are too many of these, the oldest ends.
	Connections int `yaml:"connections"` // in all; 1024
	PerAddress  int `yaml:"per_address"` // from one address (/64 for IPv6); 32
	PerAccount  int `yaml:"per_account"` // logged in to one account; 16
	SendQueue   int `yaml:"send_queue"`  // bytes queued for a client that reads slowly; 1 MiB
	// Failed logins of one user from one address, and of one address six times as many: more of
	// them end their connection. A right password is never refused for them.
	LoginBurst  int `yaml:"login_burst"`  // at once; 5
	LoginMinute int `yaml:"login_minute"` // per minute after that; 5

	RegisterIn   time.Duration `yaml:"register_in"`   // time to log in; 30s
	PingAfter    time.Duration `yaml:"ping_after"`    // silence before a PING; 90s
	PingTimeout  time.Duration `yaml:"ping_timeout"`  // time to answer it; 60s
	WriteTimeout time.Duration `yaml:"write_timeout"` // time for a client to take what is sent; 30s
}

// Ways to show own messages of elsewhere.
const (
	selfRaw    = "raw"
	selfPrefix = "prefix"
	selfOff    = "off"
)

// WithDefaults returns c with the defaults filled in, or an error wrapping ErrConfig.
func (c Config) WithDefaults() (Config, error) {
	if len(c.Listen) == 0 {
		c.Listen = []string{"127.0.0.1:6667"}
	}
	for i, addr := range c.Listen {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return c, fmt.Errorf("%w: listen: entry %d is not host:port", ErrConfig, i+1)
		}
	}
	setDefault(&c.ServerName, "hangouts.bridge")
	setDefault(&c.NetworkName, "Hangouts")
	setDefault(&c.SelfMessages, selfRaw)
	if !strings.Contains(c.ServerName, ".") || ircwire.Middle(c.ServerName) != c.ServerName || len(c.ServerName) > 63 {
		return c, fmt.Errorf("%w: server_name must be a name with a dot", ErrConfig)
	}
	switch c.SelfMessages {
	case selfRaw, selfPrefix, selfOff:
	default:
		return c, fmt.Errorf("%w: self_messages is not raw, prefix or off", ErrConfig)
	}
	l := &c.Limits
	setDefault(&l.Connections, 1024)
	setDefault(&l.PerAddress, 32)
	setDefault(&l.PerAccount, 16)
	setDefault(&l.SendQueue, 1<<20)
	setDefault(&l.LoginBurst, 5)
	setDefault(&l.LoginMinute, 5)
	setDefault(&l.RegisterIn, 30*time.Second)
	setDefault(&l.PingAfter, 90*time.Second)
	setDefault(&l.PingTimeout, 60*time.Second)
	setDefault(&l.WriteTimeout, 30*time.Second)
	if min(l.Connections, l.PerAddress, l.PerAccount, l.SendQueue, l.LoginBurst, l.LoginMinute) < 0 {
		return c, fmt.Errorf("%w: limits: a number is negative", ErrConfig)
	}
	if min(l.RegisterIn, l.PingAfter, l.PingTimeout, l.WriteTimeout) < time.Millisecond {
		return c, fmt.Errorf("%w: limits: a time is negative or too short", ErrConfig)
	}
	return c, nil
}

func setDefault[T comparable](dst *T, value T) {
	var zero T
	if *dst == zero {
		*dst = value
	}
}
