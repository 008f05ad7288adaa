package irc_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/ircclient"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

// A line that has no place in the queue ends the session: its client would miss it.
func TestLineThatDoesNotFitIntoTheQueue(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.SendQueue = 64 })
	c := b.dial()
	c.Send("CAP LS 302")
	c.WaitClosed()
}

// pipe is a client that reads nothing of what it is sent, not even into a buffer of the system, after it has logged in.
func (b *bench) pipe(name string) net.Conn {
	b.t.Helper()
	ours, theirs := net.Pipe()
	b.t.Cleanup(func() { _ = theirs.Close() })
	irc.Serve(b.g, ours)
	_, err := fmt.Fprintf(theirs, "PASS anna@%s:%s\r\nNICK anna\r\nUSER a 0 * :a\r\n", name, b.token)
	require.NoError(b.t, err)
	eventually(b.t, "something to be written", func() bool { return irc.Queued(b.g) > 0 })
	return theirs
}

// The queue of a session that does not go on is bounded; past that the session ends, and no other.
func TestTasksOfASessionAreBounded(t *testing.T) {
	b := newBench(t)
	stuck, other := b.client("stuck"), b.client("other")
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	irc.Each(b.g, anna, func() { entered <- struct{}{}; <-leave })
	<-entered
	<-entered
	for range 1025 {
		irc.Each(b.g, anna, func() {})
	}
	close(leave)
	require.Contains(t, stuck.Await("ERROR").Last(), "Too slow")
	require.Contains(t, other.Await("ERROR").Last(), "Too slow")
	b.client("again").Roundtrip()
}

// A session whose handling breaks ends alone.
func TestABrokenSessionEndsAlone(t *testing.T) {
	b := newBench(t)
	c := b.client("broken")
	irc.Each(b.g, anna, func() { panic("of the test") })
	require.Contains(t, c.Await("ERROR").Last(), "Internal error")
	c.WaitClosed()
	b.client("other").Roundtrip()
}

// The end waits for no client that does not read.
func TestStopWaitsForNoSlowClient(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.WriteTimeout = time.Hour })
	b.pipe("slow")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.g.Stop()
	}()
	eventually(t, "the end", func() bool {
		select {
		case <-stopped:
			return true
		default:
			return false
		}
	})
}

// There are only so many connections in all, and each that ends leaves its place to another.
func TestConnectionsInAll(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.Connections = 2 })
	b.client("one")
	second := b.client("two")
	require.Contains(t, b.try(b.token), "too many connections")
	second.Close()
	eventually(t, "a place is free again", func() bool { return strings.Contains(b.try(b.token), "Welcome") })
}

// When too many do not log in, the oldest of the address with the most of them ends.
func TestWhoeverHasMostIdleConnectionsMakesRoom(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.Connections = 4 })
	dial := func(from string) *bufio.Reader {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := dialer.Dial("tcp", b.addr())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(ircclient.Patience)))
		_, err = conn.Write([]byte("PING x\r\n"))
		require.NoError(t, err)
		in := bufio.NewReader(conn)
		answer, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, answer, "PONG")
		return in
	}
	oldest := dial("127.0.0.1")
	dial("127.0.0.1")
	dial("127.0.0.1")
	dial("127.0.0.2")
	dial("127.0.0.2")
	answer, err := oldest.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, answer, "have not logged in")
}

// grantsLater is a set of accounts whose grants are answered after a signal.
type grantsLater struct {
	account.Accounts
	asked, answer chan struct{}
	once          sync.Once
}

func (a *grantsLater) Grants(ctx context.Context, id chat.PersonID, user account.User) ([]account.Grant, error) {
	a.once.Do(func() { close(a.asked) })
	<-a.answer
	return a.Accounts.Grants(ctx, id, user)
}

// A connection that has made room while its password was looked at is not logged in any more.
func TestLoginThatComesTooLate(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.PerAddress = 1 })
	later := &grantsLater{Accounts: b.m, asked: make(chan struct{}), answer: make(chan struct{})}
	b.g.Stop()
	b.g = irc.NewGateway(b.cfg, later, b.db, zerolog.Nop())
	require.NoError(t, b.g.Start(context.Background()))
	c := b.dial()
	c.Send("PASS :%s", b.token)
	c.Send("NICK anna")
	c.Send("USER anna 0 * :Anna")
	<-later.asked
	b.dial().Roundtrip()
	close(later.answer)
	c.WaitClosed()
	for _, l := range c.Lines() {
		require.NotEqual(t, "001", l.Command)
	}
}

// A slow reader is waited for, and gets everything.
func TestSlowReaderGetsEverything(t *testing.T) {
	b := newBench(t, func(c *irc.Config) { c.Limits.SendQueue, c.Limits.WriteTimeout = 16<<10, time.Hour })
	theirs := b.pipe("slow")
	go func() {
		_, _ = theirs.Write([]byte(strings.Repeat("HELP\r\n", 100) + "PING end\r\n"))
	}()
	eventually(t, "half of the queue to be full", func() bool { return irc.Queued(b.g) >= 8<<10 })
	_ = theirs.SetReadDeadline(time.Now().Add(ircclient.Patience))
	in := bufio.NewScanner(theirs)
	for in.Scan() && !strings.Contains(in.Text(), "PONG") {
		require.NotContains(t, in.Text(), "ERROR")
	}
	require.Contains(t, in.Text(), "PONG")
	require.Contains(t, in.Text(), "end")
}

// A network of IPv6 has many addresses; limits count it as one.
func TestLimitsCountANetworkOfIPv6AsOneAddress(t *testing.T) {
	addr := func(s string) netip.Addr {
		return irc.ClientAddr(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)))
	}
	require.Equal(t, addr("[2001:db8::1]:1"), addr("[2001:db8::ffff:2]:2"))
	require.Equal(t, addr("[fe80::1%eth0]:1"), addr("[fe80::2]:2"))
	require.NotEqual(t, addr("[2001:db8::1]:1"), addr("[2001:db8:0:1::1]:1"))
	require.Equal(t, addr("192.0.2.1:1"), addr("[::ffff:192.0.2.1]:2"))
	require.NotEqual(t, addr("192.0.2.1:1"), addr("192.0.2.2:1"))
	require.NotEqual(t, addr("[::ffff:192.0.2.1]:1"), addr("[::ffff:192.0.2.2]:1"))
}

// Guesses from many addresses do not make the limiter grow without end, nor make it forget somebody who guesses just now.
func TestLoginLimiterIsBounded(t *testing.T) {
	l := irc.NewLimiter(irc.Limits{LoginBurst: 2, LoginMinute: 1})
	addr := netip.MustParseAddr("10.0.0.0")
	fill := func(n int) {
		for range n {
			addr = addr.Next()
			require.True(t, l.Failed(addr, "anna"))
			now, most := l.Size()
			require.LessOrEqual(t, now, most)
		}
	}
	fill(2000)
	l.Now = l.Now.Add(time.Hour) // those are as good as new
	guesser := netip.MustParseAddr("192.0.2.1")
	require.True(t, l.Failed(guesser, "anna"))
	require.True(t, l.Failed(guesser, "Anna"))
	require.False(t, l.Failed(guesser, "ANNA"), "the same user, however written")
	fill(1000) // now it forgets
	require.False(t, l.Failed(guesser, "anna"))
	fill(5000)
}
