// Package ircwire reads and writes IRC lines: bounds and guards around gopkg.in/irc.v3 on
// the way in, and one encoder that cleans every field on the way out, so that nothing
// from the network can become a second line or shift parameters.
//
// The format is that of RFC 1459 with IRCv3 message tags: at most 510 bytes and CRLF
// after the tags, at most 8191 bytes of tags.
package ircwire
