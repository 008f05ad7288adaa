// Package chat is the vocabulary that every side of the bridge shares: accounts,
// conversations, people, messages and what happens to them, in the words of chat and
// of no particular network or client protocol.
//
// Everything here is a plain value that serialises to JSON and back without loss, so
// that it can be logged, stored and sent between processes. The package does no I/O and
// imports nothing of this project. All times are microseconds since the Unix epoch,
// UTC, in int64 ("µs").
package chat

// Version is the version written into stored values (the "v" of events and
// conversations). It grows when the meaning of a field changes; new optional fields do
// not change it.
const Version = 1
