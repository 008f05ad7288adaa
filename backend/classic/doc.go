// Package classic is the account.Backend of classic Hangouts: it turns the words of the
// Hangouts API (package hangouts) into those of package chat and back. It is the only
// package that knows both.
package classic
