// Package homeserver is a homeserver as a reliable pipe: each event is
// sent once, and handled once and in order, also when a process is killed meanwhile. It wraps bridgev2's
// Matrix connector and knows rooms and events only; their meaning is its [Host]'s.
//
// Towards the homeserver each message has a transaction id of its own that is the same in
// every attempt (sends.go), from a user with one device (devices.go); what an earlier run
// left is found in the room (traces.go). Each room is made with an alias (rooms.go).
//
// From the homeserver room events are stored before a transaction is answered
// (transactions.go), and handled by one worker for each room until their effects are final
// (inbox.go), who decrypts them first (decrypt.go); keys are stored before, too (keys.go). What the
// homeserver forgets to push is found with /sync (reconcile.go, missed.go). Typing and receipts
// are handed on and never stored (ephemeral.go).
package homeserver
