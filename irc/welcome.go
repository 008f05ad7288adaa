package irc

import (
	"runtime/debug"
	"strings"
	"time"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
	"github.com/hangouts-bridge/hangouts-bridge/irc/names"
)

// maxTokens is how many ISUPPORT tokens stand in one line.
const maxTokens = 13

// isupport are the ISUPPORT tokens.
func (s *session) isupport() []string {
	return []string{
		"NETWORK=" + strings.ReplaceAll(ircwire.Plain(s.g.cfg.NetworkName), " ", `\x20`),
		"CASEMAPPING=ascii", "CHANTYPES=#", "PREFIX=(ov)@+", "CHANMODES=,,,nst", "CHANLIMIT=#:10000", "MODES=1",
		"NICKLEN=" + itoa(names.NickLen), "CHANNELLEN=" + itoa(names.ChannelLen), "TOPICLEN=" + itoa(maxTopic), "NAMELEN=" + itoa(maxRealName),
		"KICKLEN=" + itoa(maxReason), "AWAYLEN=" + itoa(maxReason), "USERLEN=32", "HOSTLEN=80", "LINELEN=512",
		"MAXTARGETS=" + itoa(maxTargets), "TARGMAX=PRIVMSG:4,NOTICE:4,JOIN:,PART:,NAMES:1,WHOIS:1,LIST:1,KICK:1",
		"CLIENTTAGDENY=*,-typing", "UTF8ONLY", "WHOX", "SAFELIST",
	}
}

// welcome sends what a client waits for after its registration.
func (s *session) welcome() {
	s.numeric("001", "Welcome to "+ircwire.Plain(s.g.cfg.NetworkName)+", "+realName(s.login.account.Self()))
	s.numeric("002", "Your host is "+s.g.cfg.ServerName+", running "+version)
	s.numeric("003", "This server was started "+s.g.started.UTC().Format(time.RFC1123))
	s.numeric("004", s.g.cfg.ServerName, version, "i", "nst")
	tokens := s.isupport()
	for len(tokens) > 0 {
		n := min(maxTokens, len(tokens))
		s.numeric("005", append(append([]string{}, tokens[:n]...), "are supported by this server")...)
		tokens = tokens[n:]
	}
	s.lusers()
	s.motd()
	s.numeric("221", "+i")
}

func (s *session) motd() {
	if strings.TrimSpace(s.g.cfg.MOTD) == "" {
		s.numeric("422", "MOTD File is missing")
		return
	}
	s.numeric("375", "- "+s.g.cfg.ServerName+" Message of the day - ")
	for _, line := range strings.Split(strings.TrimRight(s.g.cfg.MOTD, "\n"), "\n") {
		s.numeric("372", "- "+ircwire.Plain(line))
	}
	s.numeric("376", "End of /MOTD command.")
}

// lusers counts people whom the account knows and its channels; nobody is told about
// other accounts.
func (s *session) lusers() {
	channels, people := 0, map[chat.PersonID]bool{}
	all, err := s.hub.account.Conversations(s.ctx)
	if err != nil {
		s.log.Err(err).Msg("Failed to list conversations")
	}
	for _, c := range all {
		if c.Kind == chat.Group && c.Standing == chat.Active {
			channels++
		}
		for _, m := range c.Members {
			people[m.ID] = true
		}
	}
	users := itoa(max(len(people), 1))
	s.numeric("251", "There are "+users+" users and 0 invisible on 1 servers")
	s.numeric("252", "0", "operator(s) online")
	s.numeric("253", "0", "unknown connection(s)")
	s.numeric("254", itoa(channels), "channels formed")
	s.numeric("255", "I have "+users+" clients and 0 servers")
	s.numeric("265", users, users, "Current local users "+users+", max "+users)
	s.numeric("266", users, users, "Current global users "+users+", max "+users)
}

func cmdMotd(s *session, _ *ircwire.Line) { s.motd() }

func cmdLusers(s *session, _ *ircwire.Line) { s.lusers() }

func cmdVersion(s *session, _ *ircwire.Line) {
	s.numeric("351", version+"-"+buildVersion(), s.g.cfg.ServerName, "Hangouts for IRC clients")
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return ircwire.Middle(info.Main.Version)
	}
	return "unknown"
}

func cmdTime(s *session, _ *ircwire.Line) {
	s.numeric("391", s.g.cfg.ServerName, s.g.now().Format(time.RFC1123Z))
}

func cmdInfo(s *session, _ *ircwire.Line) {
	s.numeric("371", version+": a channel for each group, a query for each person")
	s.numeric("374", "End of INFO list")
}

func cmdAdmin(s *session, _ *ircwire.Line) {
	s.numeric("423", s.g.cfg.ServerName, "No administrative info available")
}

var helpLines = []string{
	"Groups are channels, people are queries. /list shows all groups, also archived ones; /join opens one.",
	"/part hides a group until something is said there; you stay its member.",
	"A client that connects as \"user@name\" is told what it missed; each name has its own place.",
	"With several accounts, \"user/account@name\" selects one by its e-mail address or id.",
}

func cmdHelp(s *session, l *ircwire.Line) {
	subject := ircwire.Middle(l.Param(0))
	s.numeric("704", subject, version)
	for _, line := range helpLines {
		s.numeric("705", subject, line)
	}
	s.numeric("706", subject, "End of /HELP")
}

// stateChanged tells how the account is doing, if that is news.
func (s *session) stateChanged(state chat.AccountState) {
	before := s.toldState
	if state.Status == chat.Connected {
		s.offlineTold = false
	}
	if state.Status == before || state.Status == chat.Connecting || before == "" && state.Status == chat.Connected {
		if before == "" {
			s.toldState = state.Status
		}
		return
	}
	if before == chat.Connecting && state.Status == chat.Connected {
		s.toldState = state.Status
		return
	}
	s.toldState = state.Status
	reason := ""
	if state.Reason != "" {
		reason = " (" + state.Reason + ")"
	}
	switch state.Status {
	case chat.Connected:
		s.notice("Connected to the network again.")
	case chat.Disconnected:
		s.notice("Connection to the network lost" + reason + ". Messages wait until it is back.")
	case chat.BadCredentials:
		s.notice("The network refuses the account's credentials" + reason + ". Log in again with \"hangouts-bridge login\".")
	}
}
