package stage

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo answers every connection with what it says.
func echo(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, l *Link) net.Conn {
	conn, err := net.Dial("tcp", l.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	return conn
}

func say(t *testing.T, conn net.Conn, text string) string {
	_, err := conn.Write([]byte(text))
	require.NoError(t, err)
	buf := make([]byte, len(text))
	_, err = io.ReadFull(conn, buf)
	require.NoError(t, err)
	return string(buf)
}

func TestLinkPassesAndEnds(t *testing.T) {
	l := NewLink(t, echo(t))
	conn := dial(t, l)
	require.Equal(t, "hello", say(t, conn, "hello"))
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(conn)
	require.NoError(t, err, "an orderly end stays one")
	require.Empty(t, rest)
}

func TestLinkCut(t *testing.T) {
	l := NewLink(t, echo(t))
	conn := dial(t, l)
	say(t, conn, "hello")
	require.Equal(t, 1, l.Cut())
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.Equal(t, "again", say(t, dial(t, l), "again"))
}

func TestLinkTruncate(t *testing.T) {
	l := NewLink(t, echo(t))
	conn := dial(t, l)
	l.Truncate(8) // 5 there, 3 back
	_, err := conn.Write([]byte("hello"))
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.Error(t, err, "cut, not ended")
	require.LessOrEqual(t, len(got), 3) // a reset may overtake what was written before it
	require.Equal(t, "again", say(t, dial(t, l), "again"), "once only")
}

func TestLinkStall(t *testing.T) {
	l := NewLink(t, echo(t))
	conn := dial(t, l)
	before := time.Now()
	l.Stall(200 * time.Millisecond)
	require.Equal(t, "hello", say(t, conn, "hello"))
	require.GreaterOrEqual(t, time.Since(before), 200*time.Millisecond)
}

func TestStallsInARowAreBounded(t *testing.T) {
	l := NewLink(t, echo(t))
	before := time.Now()
	for range 10 {
		l.Stall(LongestStall)
		time.Sleep(stallCheck / 5)
	}
	require.LessOrEqual(t, l.stalled.Sub(before), LongestStall+stallCheck)
	l.stalled = time.Now().Add(-time.Second) // long over
	l.Stall(time.Second)
	require.Greater(t, time.Until(l.stalled), time.Second/2, "a new one")
}

func TestLinkRefuse(t *testing.T) {
	l := NewLink(t, echo(t))
	l.Refuse(http.StatusBadGateway, time.Minute)
	resp, err := http.Get(l.URL())
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	l.Calm()
	require.Equal(t, "hello", say(t, dial(t, l), "hello"))
}

func TestLinkWithoutPeer(t *testing.T) {
	l := NewLink(t, "127.0.0.1:1")
	conn, err := net.Dial("tcp", l.Addr) // the reset may come this early
	if err == nil {
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = conn.Read(make([]byte, 1))
	}
	require.Error(t, err)
}
