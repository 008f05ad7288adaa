package chat

import (
	"errors"
	"fmt"
	"strings"
)

// Failure is the fate of a request that failed. The event's Origin names the request.
type Failure struct {
	Reason string      `json:"reason"`         // as FailureOf makes it
	Text   Text        `json:"text,omitempty"` // of the message that was not sent
	What   RequestKind `json:"what,omitempty"` // that has failed; "" = a message
}

// failures maps the errors that settle a request to the word that is stored.
var failures = []struct {
	word string
	err  error
}{
	{"refused", ErrRefused},
	{"unknown_conversation", ErrUnknownConversation},
	{"bad_credentials", ErrBadCredentials},
	{"unsupported", ErrUnsupported},
	{"too_large", ErrTooLarge},
	{"invalid", ErrInvalidRequest},
	{"expired", ErrExpired},
	{"unconfirmed", ErrUnconfirmed},
}

// FailureOf is a cause of failure as it is stored: a word and the text. What is not known counts
// as refused.
func FailureOf(cause error) string {
	word := "refused"
	for _, f := range failures {
		if errors.Is(cause, f.err) {
			word = f.word
			break
		}
	}
	return word + ": " + cause.Error()
}

// Failed is the error of a stored failure. It wraps ErrRefused, ErrUnknownConversation,
// ErrBadCredentials, ErrUnsupported, ErrTooLarge, ErrExpired or ErrUnconfirmed.
func Failed(stored string) error {
	word, text, _ := strings.Cut(stored, ": ")
	for _, f := range failures {
		if f.word == word {
			if text == "" || text == f.err.Error() {
				return f.err
			}
			return fmt.Errorf("%w (%s)", f.err, text)
		}
	}
	return ErrRefused
}
