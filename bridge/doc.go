// Package bridge is the Matrix side of the project: bridgev2's network connector, logins
// and bot commands, delivery of the accounts' events to the homeserver and of the
// homeserver's events to the accounts, so that nothing is lost or doubled when either
// side is killed.
//
// Towards Matrix (delivery.go): one account.Consumer for each login hands every event to
// bridgev2 synchronously and acknowledges it by the real result. Each send has an id of
// its own (sends.go) that is the same in every attempt.
//
// From Matrix (inbox.go): room events are stored before a transaction is answered, and
// handled by one worker for each room until their effects are final.
package bridge
