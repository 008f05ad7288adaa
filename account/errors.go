package account

import (
	"errors"
	"fmt"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// ErrAmbiguous says that a request was sent but its answer was lost: it may have been
// carried out or not.
var ErrAmbiguous = errors.New("request sent, answer lost")

// ErrOpenRequest says that a request without an answer may have made an event. It wraps
// chat.ErrUnavailable.
var ErrOpenRequest = fmt.Errorf("%w: a request has no answer yet", chat.ErrUnavailable)

// ErrNotSubmitted says that there is no request with an origin: Submit was not called or
// has failed. It wraps chat.ErrRefused.
var ErrNotSubmitted = fmt.Errorf("%w: no such request", chat.ErrRefused)

// errNothingOlder: the network repeats a page instead of going on. What is known then is all that
// there is.
var errNothingOlder = fmt.Errorf("%w: the network gives no older history, and not its end either", chat.ErrRefused)

// errManyPages: what is asked for lies further back than one call reads.
var errManyPages = fmt.Errorf("%w: older history is still being read", chat.ErrUnavailable)
