package account_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/account/accounttest"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// slowNetwork is a network of which a test replaces some answers; nil leaves them as they are.
type slowNetwork struct {
	account.Backend
	send func(ctx context.Context, request func() (account.Answer, error)) (account.Answer, error)
	sync func(ctx context.Context, request func() (account.SyncPage, error)) (account.SyncPage, error)
	list func(page account.ConversationPage) account.ConversationPage
}

func (n *slowNetwork) Open(stored []byte) (account.Connection, error) {
	conn, err := n.Backend.Open(stored)
	return &slowConnection{conn, n}, err
}

type slowConnection struct {
	account.Connection
	n *slowNetwork
}

func (c *slowConnection) Send(ctx context.Context, id uint64, in chat.Conversation, r chat.Request) (account.Answer, error) {
	request := func() (account.Answer, error) { return c.Connection.Send(ctx, id, in, r) }
	if c.n.send == nil {
		return request()
	}
	return c.n.send(ctx, request)
}

func (c *slowConnection) Sync(ctx context.Context, since int64) (account.SyncPage, error) {
	request := func() (account.SyncPage, error) { return c.Connection.Sync(ctx, since) }
	if c.n.sync == nil {
		return request()
	}
	return c.n.sync(ctx, request)
}

func (c *slowConnection) Conversations(ctx context.Context, before int64, limit int) (account.ConversationPage, error) {
	page, err := c.Connection.Conversations(ctx, before, limit)
	if c.n.list != nil {
		page = c.n.list(page)
	}
	return page, err
}

// inTime runs a test in a bubble, with anna logged in to a slow network.
func inTime(t *testing.T, configure func(*account.Options), test func(t *testing.T, b *bench, s account.Session, n *slowNetwork)) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.stop()
		configure(&b.options)
		n := &slowNetwork{Backend: b.net}
		b.backend = n
		b.start()
		s := b.login(anna)
		pass(time.Second)
		test(t, b, s, n)
	})
}

func (b *bench) submit(s account.Session, ref string) {
	b.t.Helper()
	require.NoError(b.t, s.Submit(context.Background(), request(duo, ref, "text "+ref)))
}

// A network that does not answer at all is not waited for longer than requests may wait.
func TestANetworkThatNeverAnswers(t *testing.T) {
	inTime(t, func(*account.Options) {}, func(t *testing.T, b *bench, s account.Session, n *slowNetwork) {
		n.send = func(ctx context.Context, _ func() (account.Answer, error)) (account.Answer, error) {
			<-ctx.Done()
			return account.Answer{}, ctx.Err()
		}
		b.submit(s, "1")
		_, err := await(t, s, "1")
		require.ErrorIs(t, err, chat.ErrExpired, "a catch-up has not brought it")
		n.sync = func(ctx context.Context, _ func() (account.SyncPage, error)) (account.SyncPage, error) {
			<-ctx.Done()
			return account.SyncPage{}, ctx.Err()
		}
		b.submit(s, "2")
		_, err = await(t, s, "2")
		require.ErrorIs(t, err, chat.ErrUnconfirmed, "no catch-up can tell")
	})
}

// A request whose answer is missing at the end of its time is still looked for, as long after it as the network may need.
func TestARequestIsLookedForAfterItsTime(t *testing.T) {
	inTime(t, func(o *account.Options) {
		o.SendWait, o.DoubtDelay, o.BackoffMin, o.BackoffMax = time.Minute, 50*time.Second, time.Second, time.Second
	}, func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
		began := time.Now()
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
			if time.Since(began) < 58*time.Second {
				return accounttest.Fault{Err: chat.ErrUnavailable}
			}
			return accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}
		})
		b.net.Deafen(anna)
		b.submit(s, "1")
		e, err := await(t, s, "1")
		require.NoError(t, err)
		require.Equal(t, "text 1", e.Message.Text.String())
		require.Len(t, b.net.Sends(), 1)
	})
}

// The network may still be busy with a request to which it has not answered: it is not sent again before that is over.
func TestARequestThatIsTakenLate(t *testing.T) {
	inTime(t, func(o *account.Options) { o.DoubtDelay = 5 * time.Second }, func(t *testing.T, b *bench, s account.Session, n *slowNetwork) {
		var tries atomic.Int32
		n.send = func(_ context.Context, request func() (account.Answer, error)) (account.Answer, error) {
			if tries.Add(1) > 1 {
				return request()
			}
			time.AfterFunc(time.Second, func() { _, _ = request() })
			return account.Answer{}, account.ErrAmbiguous
		}
		b.submit(s, "1")
		_, err := await(t, s, "1")
		require.NoError(t, err)
		pass(10 * time.Second)
		require.Len(t, b.net.Sends(), 1)
	})
}

// A later error of the account does not make a request that may have been taken a refused one.
func TestAnUnansweredRequestStaysUnconfirmed(t *testing.T) {
	inTime(t, func(*account.Options) {}, func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
			return accounttest.Fault{Err: account.ErrAmbiguous, Accept: true}
		})
		b.net.OnSync(func(chat.PersonID) error { return chat.ErrBadCredentials })
		b.net.Deafen(anna)
		b.submit(s, "1")
		_, err := await(t, s, "1")
		require.ErrorIs(t, err, chat.ErrUnconfirmed)
	})
}

// News of the connection end the pause before the next try.
func TestARequestLeavesAsSoonAsItMay(t *testing.T) {
	inTime(t, func(o *account.Options) { o.BackoffMin, o.BackoffMax = 10*time.Second, 10*time.Second }, func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
			return accounttest.Fault{Err: chat.ErrUnavailable}
		})
		b.submit(s, "1")
		pass(time.Second)
		b.net.OnSend(nil)
		pass(time.Second)
		require.Empty(t, b.net.Sends())
		b.net.Cut(anna)
		pass(time.Second)
		require.Len(t, b.net.Sends(), 1)
	})
}

// A refusal that cannot be stored at once is stored later, and the request is not tried again meanwhile.
func TestARefusalThatCannotBeStoredAtOnce(t *testing.T) {
	inTime(t, func(*account.Options) {}, func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
		allow := b.refuse("UPDATE ON outbox WHEN NEW.state='failed'")
		var tries atomic.Int32
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
			if tries.Add(1) > 10 {
				return accounttest.Fault{Err: chat.ErrUnavailable} // the test has failed: let time pass
			}
			return accounttest.Fault{Err: chat.ErrRefused}
		})
		b.submit(s, "1")
		pass(5 * time.Second)
		allow()
		_, err := await(t, s, "1")
		require.ErrorIs(t, err, chat.ErrRefused)
		require.EqualValues(t, 1, tries.Load())
	})
}

// An outbox that cannot be read at the start is read later.
func TestRequestsThatCannotBeReadAtOnce(t *testing.T) {
	inTime(t, func(*account.Options) {}, func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault {
			return accounttest.Fault{Err: chat.ErrUnavailable}
		})
		b.submit(s, "1")
		pass(time.Second)
		b.stop()
		db := openDB(t, b.path)
		_, err := db.Exec(context.Background(), `ALTER TABLE outbox RENAME TO away`)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		b.net.OnSend(nil)
		b.start()
		pass(time.Second)
		_, err = b.db.Exec(context.Background(), `ALTER TABLE away RENAME TO outbox`)
		require.NoError(t, err)
		_, err = await(t, b.session(anna), "1")
		require.NoError(t, err)
		require.Len(t, b.net.Sends(), 1)
	})
}

// A watermark that is set while another is in flight follows it.
func TestWatermarkWhileAnotherIsOnItsWay(t *testing.T) {
	slowMarks(t, func(t *testing.T, b *bench, _ *reader) {
		answer := make(chan error)
		b.net.OnMark(func(chat.PersonID, int64) error { return <-answer })
		b.mark(100, "1")
		time.Sleep(time.Second) // not pass: the network's lock is held by the fault
		b.mark(200, "2")
		answer <- nil
		select {
		case answer <- nil:
		case <-time.After(time.Minute):
			t.Fatal("the second one does not come")
		}
		pass(time.Second)
		require.Equal(t, []int64{100, 200}, b.markTimes())
	})
}

// A comparison begins before the cursor, too: for what the network shows late.
func TestLateEventsAreFoundByAComparison(t *testing.T) {
	var hidden atomic.Bool
	inTime(t, func(o *account.Options) { o.OldestCursor = 1 }, func(t *testing.T, b *bench, s account.Session, n *slowNetwork) {
		n.list = func(page account.ConversationPage) account.ConversationPage {
			if hidden.Load() {
				page.Conversations, page.Events = nil, nil
			}
			return page
		}
		r := &reader{}
		b.attach(s, r, "a")
		b.net.Deafen(anna)
		hidden.Store(true)
		e := b.net.Say(bob, duo, "late")
		b.net.Say(bob, trio, "later")
		b.net.Cut(anna)
		pass(time.Second)
		row, err := b.db.Accounts().Get(context.Background(), anna)
		require.NoError(t, err)
		require.Greater(t, row.Cursor, e.Time, "a comparison without it")
		hidden.Store(false)
		b.net.Cut(anna)
		pass(time.Second)
		require.Equal(t, []string{"late"}, r.got(duo))
	})
}

// Past five minutes a Matrix handler is left and order is gone.
func TestTheConfigBoundsTheWaitingTime(t *testing.T) {
	good := account.Config{SendWait: 4 * time.Minute, DoubtDelay: 4 * time.Minute, CatchupEvery: time.Minute}
	require.NoError(t, good.Validate())
	for name, change := range map[string]func(*account.Config){
		"too long":                   func(c *account.Config) { c.SendWait += time.Second },
		"too short":                  func(c *account.Config) { c.SendWait, c.DoubtDelay = time.Second, time.Second },
		"doubt longer than the time": func(c *account.Config) { c.SendWait = 3 * time.Minute },
	} {
		bad := good
		change(&bad)
		require.Error(t, bad.Validate(), name)
	}
}

// A failure is delivered without a delay.
func TestAFailureIsDeliveredAtOnce(t *testing.T) {
	inTime(t, func(*account.Options) {}, func(t *testing.T, b *bench, s account.Session, _ *slowNetwork) {
		r := &reader{}
		b.attach(s, r, "a")
		b.net.OnSend(func(chat.PersonID, chat.Request) accounttest.Fault { return accounttest.Fault{Err: chat.ErrRefused} })
		b.submit(s, "1")
		pass(time.Second)
		require.Len(t, r.events, 1)
		require.Equal(t, chat.KindFailure, r.events[0].Kind)
	})
}
