// Package account keeps people's accounts on the network connected, one live session
// each, and is the one place both sides of the bridge (Matrix and IRC) talk to.
//
// What arrives from the network is written to the log first, in one transaction with the
// snapshot of conversations and people, and then delivered to consumers, each with a
// durable position per conversation. What a side asks for is written to the outbox
// first, sent in order, and its result is linked back to its origin. The network itself
// is a Backend.
//
// The interfaces here are request and response on values that serialise, so that a side
// may one day run in another process.
package account
