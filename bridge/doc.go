// Package bridge is the Matrix side of the project: bridgev2's network connector, logins
// and bot commands, delivery of the accounts' events to the homeserver and of the
// homeserver's events to the accounts. Package homeserver sees to it that nothing is lost or
// doubled between it and the homeserver.
//
// Towards Matrix (delivery.go): one account.Consumer for each login hands every event to
// bridgev2 synchronously and acknowledges it by the real result.
package bridge
