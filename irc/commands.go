package irc

import (
	"github.com/hangouts-bridge/hangouts-bridge/irc/ircwire"
)

// command is an entry of the command table.
type command struct {
	run   func(s *session, l *ircwire.Line)
	min   int  // parameters needed, else 461
	early bool // also before registration
	late  bool // also after registration; false only for commands that register
}

// commands is the table of all commands.
var commands map[string]command

func init() {
	commands = map[string]command{
		"CAP":          {run: cmdCap, min: 1, early: true, late: true},
		"PASS":         {run: cmdPass, min: 1, early: true},
		"NICK":         {run: cmdNick, early: true, late: true},
		"USER":         {run: cmdUser, min: 4, early: true},
		"AUTHENTICATE": {run: cmdAuthenticate, min: 1, early: true, late: true},
		"PING":         {run: cmdPing, early: true, late: true},
		"QUIT":         {run: cmdQuit, early: true, late: true},
		"ERROR":        {run: cmdIgnore, early: true, late: true},

		"BATCH":    {run: cmdBatch, min: 1, late: true},
		"PRIVMSG":  {run: cmdMessage, late: true},
		"NOTICE":   {run: cmdMessage, late: true},
		"TAGMSG":   {run: cmdTagmsg, min: 1, late: true},
		"MARKREAD": {run: cmdMarkread, min: 1, late: true},
		"JOIN":     {run: cmdJoin, min: 1, late: true},
		"PART":     {run: cmdPart, min: 1, late: true},
		"TOPIC":    {run: cmdTopic, min: 1, late: true},
		"NAMES":    {run: cmdNames, late: true},
		"LIST":     {run: cmdList, late: true},
		"MODE":     {run: cmdMode, min: 1, late: true},
		"INVITE":   {run: cmdInvite, late: true},
		"KICK":     {run: cmdKick, min: 2, late: true},
		"SETNAME":  {run: cmdSetname, min: 1, late: true},
		"AWAY":     {run: cmdAway, late: true},
		"OPER":     {run: cmdOper, late: true},

		"WHO":      {run: cmdWho, late: true},
		"WHOIS":    {run: cmdWhois, late: true},
		"WHOWAS":   {run: cmdWhowas, late: true},
		"ISON":     {run: cmdIson, min: 1, late: true},
		"USERHOST": {run: cmdUserhost, min: 1, late: true},

		"MOTD":    {run: cmdMotd, late: true},
		"LUSERS":  {run: cmdLusers, late: true},
		"VERSION": {run: cmdVersion, late: true},
		"TIME":    {run: cmdTime, late: true},
		"INFO":    {run: cmdInfo, late: true},
		"ADMIN":   {run: cmdAdmin, late: true},
		"HELP":    {run: cmdHelp, late: true},
	}
}

// handle runs one line.
func (s *session) handle(in input) {
	if in.tooLong {
		s.numeric("417", "Input line was too long")
		return
	}
	l := in.line
	s.expireBatch()
	s.beginReply(l)
	defer s.endReply()
	if l.NotUTF8 && !s.acceptNotUTF8(l) {
		return
	}
	c, known := commands[l.Command]
	switch {
	case !s.registered && !c.early:
		if isHTTP(l.Command) {
			s.end("This is an IRC server")
			return
		}
		s.numeric("451", "You have not registered")
	case !known:
		s.numeric("421", ircwire.Cut(l.Command, 32), "Unknown command")
	case s.registered && !c.late:
		s.numeric("462", "You may not reregister")
	case len(l.Params) < c.min:
		s.numeric("461", l.Command, "Not enough parameters")
	case s.inBatch(l):
		s.batchLine(l)
	default:
		c.run(s, l)
	}
}

// isHTTP recognises a browser that was led to this port.
func isHTTP(command string) bool {
	switch command {
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH":
		return true
	}
	return false
}

// acceptNotUTF8 refuses a line with bytes that are not UTF-8 where the client understands
// the refusal; others get a warning once and are read as Windows-1252.
func (s *session) acceptNotUTF8(l *ircwire.Line) bool {
	if s.caps[capStdReplies] {
		s.sendServer("FAIL", l.Command, "INVALID_UTF8", "Message rejected, your client must send valid UTF-8")
		return false
	}
	if !s.latinWarned && s.registered {
		s.latinWarned = true
		s.notice("Your client does not send UTF-8; its text is read as Windows-1252.")
	}
	return true
}

func cmdIgnore(*session, *ircwire.Line) {}

func cmdPing(s *session, l *ircwire.Line) {
	if l.Param(0) == "" {
		s.numeric("409", "No origin specified")
		return
	}
	s.sendServer("PONG", s.g.cfg.ServerName, l.Param(0))
}

func cmdQuit(s *session, l *ircwire.Line) {
	reason := "Quit"
	if text := ircwire.Plain(l.Param(0)); text != "" {
		reason += ": " + text
	}
	s.end(reason)
}
