package hangouts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// The pause before a request is sent again (protocol §14).
const (
	firstPause = time.Second
	mostPause  = time.Minute
)

// Temporary reports whether a request certainly had no effect and may succeed later: the server was
// busy, limited the rate of requests, or was not reached.
func Temporary(err error) bool {
	var network *NetworkError
	var auth *GoogleAuthError
	switch {
	case errors.As(err, &network):
	case errors.As(err, &auth):
		return auth.Unavailable()
	default:
		return false
	}
	switch {
	case network.Ambiguous:
		return false
	case network.HasStatus:
		return network.Status == pb.ResponseStatus_RESPONSE_STATUS_BUSY || errors.Is(err, ErrRateLimited)
	case network.Code == 0:
		return isTransport(network.Err) || Temporary(network.Err)
	}
	return network.Code == http.StatusTooManyRequests || network.Code == http.StatusServiceUnavailable
}

// Retry calls request until it succeeds or fails with an error that is not [Temporary], and returns
// that error, or the error of ctx. Between two calls it waits as long as the server asks for, at least
// 1 s, doubling up to 1 min, with jitter. The push channel waits while an observer does.
func Retry(ctx context.Context, request func(context.Context) error) error {
	return retry(ctx, Temporary, request)
}

func retry(ctx context.Context, again func(error) bool, request func(context.Context) error) error {
	if request == nil {
		return fmt.Errorf("%w: nothing to retry", ErrBadRequest)
	}
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		err := request(ctx)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		if err == nil || !again(err) {
			return err
		}
		timer := time.NewTimer(max(RetryAfter(err), pause+rand.N(pause/4)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// readable reports whether to repeat a request without effect.
func readable(err error) bool {
	var network *NetworkError
	return Temporary(err) || errors.As(err, &network) && (network.Ambiguous || network.Code >= http.StatusInternalServerError)
}
