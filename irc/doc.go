// Package irc is the IRC side of the bridge: a small IRC server in which people see their
// accounts, a channel for each group and a query for each person. Any IRC client can
// connect to it.
//
// A Gateway listens; each connection is a session with three goroutines: one reads lines,
// one writes them, and one owns all of the session's state and runs commands, deliveries
// and timers one after the other. The sessions of one account share a hub (names and the
// account itself); the sessions with one client name share a client, which is the
// account's consumer and has one durable position.
//
// A line from a client is accepted once the account's outbox holds it; its labeled ACK
// goes out after that. Its echo is the delivery of the event itself, so that it carries
// the final text, id and time. Lines to a client count as delivered when the client has
// answered a PING that was sent behind them; what was not is sent again at the next
// connection with the same client name, with the same msgid and time.
package irc
