// Package channel is a client of BrowserChannel, over which Hangouts pushes (protocol §5).
//
// A [Channel] creates a session (SID), holds a long poll open, waits for the client id,
// adds the services and hands what the server pushes to a [Handler], in order and from
// one goroutine. It opens the next long poll when one ends regularly, makes a new session
// when the old one is gone, and retries with a growing delay after failures.
//
//	long poll (HTTP body) -> Splitter -> chunk -> arrays -> wrapper -> Handler
//
// Beyond the reference client it never goes deaf: a refused services request, a service
// error pushed by the server, or a client id that does not come lead to another try or to
// a new session; junk in the stream ends the poll instead of stopping delivery; and a gap in
// the array ids is reported, so that the owner can fetch what is missing.
//
// Nothing the server pushed is repeated after a broken poll, so the owner must synchronise
// after Connected with reconnected set, and after each Subscribed (protocol §12.3).
package channel
