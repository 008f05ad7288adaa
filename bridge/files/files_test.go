package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/portal"
)

// slowly gives a byte each second.
type slowly struct{ left int }

func (r *slowly) Read(p []byte) (int, error) {
	if r.left--; r.left < 0 {
		return 0, io.EOF
	}
	time.Sleep(time.Second)
	p[0] = 'x'
	return 1, nil
}

func (r *slowly) Close() error { return nil }

// While no file comes, silence is given up soon; a file that arrives has its time.
func TestPatienceIsForFilesThatArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(nil, func() Limits { return Limits{Size: 100, Time: 20 * time.Second} })
		load := func(open func(ctx context.Context) (io.ReadCloser, error)) (time.Duration, error) {
			in := portal.InwardFile{Open: func(ctx context.Context, _ []byte) (io.ReadCloser, account.MediaInfo, error) {
				body, err := open(ctx)
				return body, account.MediaInfo{}, err
			}}
			began := time.Now()
			limits, attempts := s.patience()
			f, _, err := s.fetch(t.Context(), in, limits, attempts)
			if err == nil {
				require.NoError(t, f.Close())
			}
			return time.Since(began), err
		}
		silent := func(ctx context.Context) (io.ReadCloser, error) {
			<-ctx.Done()
			return nil, errors.Join(chat.ErrUnavailable, ctx.Err())
		}
		took, err := load(silent)
		require.ErrorIs(t, err, portal.ErrNoFile)
		require.Greater(t, took, 15*time.Second)
		for range 5 {
			_, err = load(silent)
			require.ErrorIs(t, err, portal.ErrNoFile)
		}
		took, _ = load(silent)
		require.LessOrEqual(t, took, shortest)
		_, err = load(func(context.Context) (io.ReadCloser, error) { return &slowly{15}, nil })
		require.NoError(t, err, "it arrives, slowly")
		_, err = load(func(context.Context) (io.ReadCloser, error) { return &slowly{25}, nil })
		require.ErrorIs(t, err, portal.ErrNoFile)
	})
}

// A file at which the homeserver fails for long is given up; an outage of the homeserver is waited for.
func TestFileThatTheHomeserverCannotTake(t *testing.T) {
	answer := func(status int, said *mautrix.RespError) error {
		return fmt.Errorf("upload: %w", mautrix.HTTPError{Response: &http.Response{StatusCode: status}, RespError: said})
	}
	synctest.Test(t, func(t *testing.T) {
		s := New(nil, func() Limits { return Limits{Time: time.Minute} })
		broken := answer(http.StatusInternalServerError, &mautrix.MUnknown)
		require.False(t, s.hopeless("a", broken))
		for range 9 {
			time.Sleep(time.Minute)
			require.False(t, s.hopeless("a", broken))
			require.False(t, s.hopeless("proxy", answer(http.StatusInternalServerError, nil)))
			require.False(t, s.hopeless("outage", answer(http.StatusBadGateway, &mautrix.MUnknown)))
			require.False(t, s.hopeless("away", errors.New("connection refused")))
		}
		require.False(t, s.hopeless("a", nil), "it was taken")
		require.False(t, s.hopeless("b", broken))
		time.Sleep(10 * time.Minute)
		require.False(t, s.hopeless("a", broken), "a new beginning")
		require.True(t, s.hopeless("b", broken))
		require.False(t, s.hopeless("outage", answer(http.StatusBadGateway, &mautrix.MUnknown)))
		require.Len(t, s.failing, 1)
	})
}
